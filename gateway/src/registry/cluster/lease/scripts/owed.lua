-- Asks for which connections of a lost node nothing but the node itself can carry out the cleanup: those without a
-- record, which no other node has settled.
-- KEYS: connections, done
-- ARGV: the connections
-- Returns 1 or 0 for each.
local owed = {}
for at = 1, #ARGV do
  local known = redis.call('HEXISTS', KEYS[1], ARGV[at]) + redis.call('SISMEMBER', KEYS[2], ARGV[at])
  owed[at] = known == 0 and 1 or 0
end
return owed
