-- The cleanup of a lost node's connection has been carried out.
-- KEYS: connections, done
-- ARGV: connection, for how long a lost node is remembered in ms
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
