-- Deletes and writes records of a node's connections.
-- KEYS: lease, lost, connections
-- ARGV: number of records to write, then a connection and its record for each, then the connections to delete
-- Returns {state, by how many records there are more now}, state being 'ok', or why not everything was written: 'lost',
-- 'expired' (the lease; renew it first) or 'full' (Redis has no memory). Deletes in any case, and first: the cleanup of
-- those connections was called, or none is due.
local writes = tonumber(ARGV[1])
local first_deleted = 2 + writes * 2
local more = 0
for at = first_deleted, #ARGV do
  more = more - redis.call('HDEL', KEYS[3], ARGV[at])
end
if writes == 0 then
  return {'ok', more}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {'lost', more}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'expired', more}
end
for at = 2, first_deleted - 1, 2 do
  local written = redis.pcall('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
  if type(written) == 'table' then
    if string.find(written.err, 'OOM', 1, true) then
      return {'full', more}
    end
    return written
  end
  more = more + written
end
return {'ok', more}
