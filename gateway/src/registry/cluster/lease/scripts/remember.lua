-- Writes again that nodes were declared lost, after Redis has lost its data.
-- KEYS: lost, for each node
-- ARGV: for how long a lost node is remembered in ms
for _, lost in ipairs(KEYS) do
  redis.call('SET', lost, redis.call('TIME')[1], 'NX', 'PX', ARGV[1])
end
return 1
