-- ARGV: 4 token, 5 operation, 6 cost to assume for an operation never seen, 7 share of max below which this priority waits,
--       8 share of max it must leave behind, 9 seconds after which a reservation nobody settled is charged in full,
--       10 seconds after which a priority that was refused all the while asks as an equal,
--       11 purse of the work the call belongs to ("" = none), 12 points that the whole work is expected to need,
--       13 who asks, 14 priority (higher = less urgent), 15 kind of work, 16 "1" = the work's first call,
--       17 seconds for which who was refused keeps the next place, beyond the wait it was told
-- Returns {1 admitted / 0 refused, seconds to wait, cost, points taken for the whole work, max}
local cost = tonumber(redis.call('HGET', KEYS[3], ARGV[5])) or tonumber(ARGV[6])
local purse, who, urgency = 'purse:' .. ARGV[11], ARGV[13], tonumber(ARGV[14])
local inside, inside_until
if ARGV[11] ~= '' then
  local points, expires = string.match(redis.call('HGET', KEYS[2], purse) or '', '^(%S+) (%S+)')
  inside, inside_until = tonumber(points), expires
end

-- A work asks for all that it needs before its first call: what it lacked the last time, what its caller expects, or what
-- such works usually need.
local whole = cost
if ARGV[11] ~= '' and ARGV[16] == '1' then
  local expected = tonumber(ARGV[12])
  if expected <= 0 then
    expected = math.min(max / 2, tonumber(redis.call('HGET', KEYS[4], 'usual:' .. ARGV[15])) or 0)
  end
  whole = math.max(cost, math.min(max, math.max(expected, tonumber(redis.call('HGET', KEYS[4], 'need:' .. who)) or 0)))
end

local need
local refused = 'refused_since:' .. ARGV[7]
local following = redis.call('HMGET', KEYS[1], 'next_who', 'next_points', 'next_until', 'next_urgency')
if inside then
  need = math.max(0, cost - inside)  -- begun already: it is not held up by what others wait for
else
  -- A shop that is busy for hours must not starve what waits for a share: both shares shrink while it is refused.
  local since = tonumber(redis.call('HGET', KEYS[1], refused)) or t
  local still = math.max(0, 1 - (t - since) / tonumber(ARGV[10]))
  need = math.max(max * still * tonumber(ARGV[7]), whole + max * still * tonumber(ARGV[8]))
  -- Nor may many small calls starve a large work: what it waits for is left to it, except by what is more urgent.
  if following[1] and following[1] ~= who and tonumber(following[3]) > t and urgency >= tonumber(following[4]) then
    need = need + tonumber(following[2])
  end
  need = math.min(max, need)
end
local wait = closed_until - t
if wait <= 0 and need > 0 then
  wait = (need - (level - flight)) / restore
end
if wait > 0.000001 then
  redis.call('HSETNX', KEYS[1], refused, string.format('%.6f', t))
  if whole > cost and (not following[1] or following[1] == who or tonumber(following[3]) <= t) then
    redis.call('HSET', KEYS[1], 'next_who', who, 'next_points', string.format('%.3f', whole), 'next_urgency', ARGV[14],
      'next_until', string.format('%.6f', t + wait + tonumber(ARGV[17])))
  end
  save()
  return {0, string.format('%.6f', wait), tostring(cost), tostring(whole), tostring(max)}
end
redis.call('HDEL', KEYS[1], refused)
if following[1] == who then redis.call('HDEL', KEYS[1], 'next_who', 'next_points', 'next_until', 'next_urgency') end
local expires = string.format('%.6f', t + tonumber(ARGV[9]))
if whole > cost then
  redis.call('HSET', KEYS[2], purse, string.format('%.3f %s', whole - cost, expires))
elseif inside then
  redis.call('HSET', KEYS[2], purse, string.format('%.3f %s', math.max(0, inside - cost), inside_until))
end
redis.call('HSET', KEYS[2], ARGV[4], string.format('%.3f %s %.3f', cost, expires, spent))
redis.call('EXPIRE', KEYS[2], 86400)
save()
return {1, '0', tostring(cost), tostring(whole), tostring(max)}
