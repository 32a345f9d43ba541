-- The end of a work of several calls. ARGV: 4 purse, 5 who, 6 how it ended (done, refused, failed), 7 points it needed,
--       8 kind of work ("" = not to be remembered)
-- Returns how many runs in a row were refused after they had spent points: before this one when it is done, else with it.
redis.call('HDEL', KEYS[2], 'purse:' .. ARGV[4])
local burns = tonumber(redis.call('HGET', KEYS[4], 'burns:' .. ARGV[5])) or 0
if ARGV[6] == 'refused' then
  redis.call('HSET', KEYS[4], 'need:' .. ARGV[5], ARGV[7])
  burns = redis.call('HINCRBY', KEYS[4], 'burns:' .. ARGV[5], 1)
elseif ARGV[6] == 'done' then
  redis.call('HDEL', KEYS[4], 'need:' .. ARGV[5], 'burns:' .. ARGV[5])
  if ARGV[8] ~= '' then
    local needed, usual = tonumber(ARGV[7]), tonumber(redis.call('HGET', KEYS[4], 'usual:' .. ARGV[8]))
    if usual then needed = usual + (needed - usual) / 2 end
    redis.call('HSET', KEYS[4], 'usual:' .. ARGV[8], string.format('%.3f', needed))
  end
end
redis.call('EXPIRE', KEYS[4], 86400)
save()
return burns
