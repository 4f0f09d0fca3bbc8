-- Writes and deletes records of a node's connections.
-- KEYS: lease, lost, connections
-- ARGV: number of records to write, then a connection and its record for each, then the connections to delete
-- Returns {state, by how many records there are more now}, state being 'ok', or why nothing was written: 'lost', or
-- 'expired' (the lease; renew it first). Deletes in any case: the cleanup of those connections has been carried out, or
-- none is due.
local writes = tonumber(ARGV[1])
local first_deleted = 2 + writes * 2
local state = 'ok'
local more = 0
if writes > 0 then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    state = 'lost'
  elseif redis.call('EXISTS', KEYS[1]) == 0 then
    state = 'expired'
  else
    for at = 2, first_deleted - 1, 2 do
      more = more + redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
    end
  end
end
for at = first_deleted, #ARGV do
  more = more - redis.call('HDEL', KEYS[3], ARGV[at])
end
return {state, more}
