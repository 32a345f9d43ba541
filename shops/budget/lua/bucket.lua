-- One shop's bucket, the part both scripts begin with.
-- KEYS: 1 state (hash: max, restore, level, at, spent, closed_until, next_*: who is next in line),
--       2 in flight (hash: token -> "cost expires spent"; purse:token -> "points expires"), 3 costs (hash),
--       4 works (hash: need:who, burns:who, usual:kind)
-- ARGV: 1 now in seconds ("" = Redis's clock; tests give their own), 2 max and 3 restore to assume for a bucket never seen
--
-- `level` counts what has been answered; what is in flight is subtracted on top when a call asks for room. Charging late is
-- the careful side: a capped bucket that is charged later never holds more than one that was charged earlier.
local t = tonumber(ARGV[1])
if not t then
  local clock = redis.call('TIME')
  t = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end
local stored = redis.call('HMGET', KEYS[1], 'max', 'restore', 'level', 'at', 'spent', 'closed_until')
local max = tonumber(stored[1]) or tonumber(ARGV[2])
local restore = tonumber(stored[2]) or tonumber(ARGV[3])
local level = tonumber(stored[3]) or max
local at = tonumber(stored[4]) or t
local spent = tonumber(stored[5]) or 0
local closed_until = tonumber(stored[6]) or 0

local function advance(moment)
  if moment > at then
    level = math.min(max, level + restore * (moment - at))
    at = moment
  end
end

-- A reservation that nobody settled (its worker died) is charged in full at the moment it expired.
local flight = 0
local expired = {}
local entries = redis.call('HGETALL', KEYS[2])
for i = 1, #entries, 2 do
  local cost, expires = string.match(entries[i + 1], '^(%S+) (%S+)')
  if tonumber(expires) <= t then
    redis.call('HDEL', KEYS[2], entries[i])
    -- What is left in a purse was not spent by anybody: its calls have reservations of their own.
    if string.sub(entries[i], 1, 6) ~= 'purse:' then
      expired[#expired + 1] = {cost = tonumber(cost), at = tonumber(expires)}
    end
  else
    flight = flight + tonumber(cost)
  end
end
table.sort(expired, function(a, b) return a.at < b.at end)
for _, reservation in ipairs(expired) do
  advance(reservation.at)
  level = level - reservation.cost
  spent = spent + reservation.cost
end
advance(t)

local function save()
  redis.call('HSET', KEYS[1], 'max', string.format('%.3f', max), 'restore', string.format('%.3f', restore),
    'level', string.format('%.6f', level), 'at', string.format('%.6f', at), 'spent', string.format('%.3f', spent),
    'closed_until', string.format('%.6f', closed_until))
  redis.call('EXPIRE', KEYS[1], 86400)
end
