-- The nodes that may have records.
-- KEYS: nodes, epoch
-- ARGV: what the name of a lease begins with
-- Returns the epoch, then for each node: the node, what it says of itself, and for how many ms its lease lasts (negative
-- without one).
local nodes = redis.call('HGETALL', KEYS[1])
local seen = {redis.call('GET', KEYS[2]) or ''}
for at = 1, #nodes, 2 do
  seen[#seen + 1] = nodes[at]
  seen[#seen + 1] = nodes[at + 1]
  seen[#seen + 1] = tostring(redis.call('PTTL', ARGV[1] .. nodes[at]))
end
return seen
