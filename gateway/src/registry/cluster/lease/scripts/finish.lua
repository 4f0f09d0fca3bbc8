-- Ends a take-over.
-- KEYS: claim, connections, nodes
-- ARGV: claiming node, lost node
-- Returns how many records are left, for which the claim is given up; -1 if the claim is not this node's any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -1
end
local left = redis.call('HLEN', KEYS[2])
if left == 0 then
  redis.call('HDEL', KEYS[3], ARGV[2])
end
redis.call('DEL', KEYS[1])
return left
