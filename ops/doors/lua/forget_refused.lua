-- Deletes the count of one sender and reason, unless another refusal came. KEYS: the hash.
-- ARGV: prefix of the fields, time of the last refusal that was read.
if redis.call('HGET', KEYS[1], ARGV[1] .. 'last') == ARGV[2] then
  for _, what in ipairs({'count', 'first', 'last', 'detail', 'told'}) do
    redis.call('HDEL', KEYS[1], ARGV[1] .. what)
  end
end
