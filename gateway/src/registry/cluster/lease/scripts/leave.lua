-- A node ends in order. Records that it leaves are taken over at once.
-- KEYS: lease, nodes, connections
-- ARGV: node
-- Returns how many records it leaves.
redis.call('DEL', KEYS[1])
local left = redis.call('HLEN', KEYS[3])
if left == 0 then
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return left
