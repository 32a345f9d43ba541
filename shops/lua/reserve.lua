-- ARGV: 4 token, 5 operation, 6 cost to assume for an operation never seen, 7 share of max below which this priority waits,
--       8 share of max it must leave behind, 9 seconds after which a reservation nobody settled is charged in full,
--       10 seconds after which a priority that was refused all the while asks as an equal
-- Returns {1 admitted / 0 refused, seconds to wait, cost}
local cost = tonumber(redis.call('HGET', KEYS[3], ARGV[5])) or tonumber(ARGV[6])
-- A shop that is busy for hours must not starve what waits for a share: both shares shrink while it is refused.
local refused = 'refused_since:' .. ARGV[7]
local since = tonumber(redis.call('HGET', KEYS[1], refused)) or t
local still = math.max(0, 1 - (t - since) / tonumber(ARGV[10]))
local need = math.min(max, math.max(max * still * tonumber(ARGV[7]), cost + max * still * tonumber(ARGV[8])))
local wait = closed_until - t
if wait <= 0 then
  wait = (need - (level - flight)) / restore
end
if wait > 0.000001 then
  redis.call('HSETNX', KEYS[1], refused, string.format('%.6f', t))
  save()
  return {0, string.format('%.6f', wait), tostring(cost)}
end
redis.call('HDEL', KEYS[1], refused)
redis.call('HSET', KEYS[2], ARGV[4],
  string.format('%.3f %.6f %.3f', cost, t + tonumber(ARGV[9]), spent))
redis.call('EXPIRE', KEYS[2], 86400)
save()
return {1, '0', tostring(cost)}
