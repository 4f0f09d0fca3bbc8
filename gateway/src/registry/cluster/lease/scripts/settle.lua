-- The cleanup of a lost node's connection was called.
-- KEYS: connections, done
-- ARGV: connection, for how long a lost node is remembered in ms
redis.call('HDEL', KEYS[1], ARGV[1])
-- Without memory the deletion has to do.
if type(redis.pcall('SADD', KEYS[2], ARGV[1])) ~= 'table' then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1
