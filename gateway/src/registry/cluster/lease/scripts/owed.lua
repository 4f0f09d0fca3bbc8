-- Asks whether nothing but a lost node itself can call the cleanup of its connection: it has no record, no other node has
-- settled it, and it was not among the records of a take-over that has ended.
-- KEYS: connections, done, lost
-- ARGV: connection, the epoch in which the node's records were last known to be complete ('' if in doubt)
-- Returns 1 or 0.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 or redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then
  return 0
end
local lost = redis.call('GET', KEYS[3])
if lost and ARGV[2] ~= '' and string.match(lost, '^%d+ (.+)$') == ARGV[2] then
  return 0
end
return 1
