-- Counts one refusal. KEYS: the hash of refusals, the set of known senders.
-- ARGV: door, sender, reason, detail, now, "known" if the door found the sender, the detail for an unknown sender,
-- seconds for which the hash is kept.
local sender, detail = ARGV[2], ARGV[4]
if ARGV[6] ~= 'known' and redis.call('SISMEMBER', KEYS[2], ARGV[1] .. ':' .. sender) == 0 then
  sender, detail = '', ARGV[7]
end
local field = ARGV[1] .. '|' .. sender .. '|' .. ARGV[3] .. '|'
redis.call('HINCRBY', KEYS[1], field .. 'count', 1)
redis.call('HSETNX', KEYS[1], field .. 'first', ARGV[5])
redis.call('HSET', KEYS[1], field .. 'last', ARGV[5], field .. 'detail', detail)
redis.call('EXPIRE', KEYS[1], ARGV[8])
