-- ARGV: 4 token, 5 operation, 6 points charged ("" = unknown: all that was reserved), 7 requested cost ("" = unknown),
--       8 currentlyAvailable, 9 maximumAvailable, 10 restoreRate ("" = not told), 11 seconds for which nothing may be sent,
--       12 purse of the work the call belonged to ("" = none)
local entry = redis.call('HGET', KEYS[2], ARGV[4])
local others = 0
if entry then
  local cost, _, spent_then = string.match(entry, '^(%S+) (%S+) (%S+)')
  redis.call('HDEL', KEYS[2], ARGV[4])
  others = spent - tonumber(spent_then)
  local charged = tonumber(ARGV[6]) or tonumber(cost)
  level = level - charged
  spent = spent + charged
  -- What the call did not use is its work's again.
  local points, until_then = string.match(redis.call('HGET', KEYS[2], 'purse:' .. ARGV[12]) or '', '^(%S+) (%S+)')
  if points and tonumber(cost) > charged then
    points = tonumber(points) + tonumber(cost) - charged
    redis.call('HSET', KEYS[2], 'purse:' .. ARGV[12], string.format('%.3f %s', points, until_then))
  end
end
max = tonumber(ARGV[9]) or max
restore = math.max(tonumber(ARGV[10]) or restore, 0.1)
local available = tonumber(ARGV[8])
if available then
  -- Calls that were answered while this one was under way may have been charged after the figure was taken: subtract them,
  -- or an answer that arrives late would give their points back. What is still in flight is subtracted by `reserve`.
  if entry then level = available - others else level = math.min(level, available) end
end
level = math.min(level, max)
if tonumber(ARGV[11]) > 0 then closed_until = math.max(closed_until, t + tonumber(ARGV[11])) end
local requested = tonumber(ARGV[7])
if requested then
  local known = tonumber(redis.call('HGET', KEYS[3], ARGV[5])) or 0
  if requested > known then redis.call('HSET', KEYS[3], ARGV[5], ARGV[7]) end
  redis.call('EXPIRE', KEYS[3], 604800)
end
save()
return 1
