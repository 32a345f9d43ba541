-- Forget the refusals of one sender and reason, unless another came. KEYS: the hash. ARGV: field, time of the last one.
if redis.call('HGET', KEYS[1], ARGV[1] .. 'last') == ARGV[2] then
  for _, what in ipairs({'count', 'first', 'last', 'detail', 'told'}) do
    redis.call('HDEL', KEYS[1], ARGV[1] .. what)
  end
end
