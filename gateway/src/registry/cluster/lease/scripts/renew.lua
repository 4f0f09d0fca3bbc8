-- Joins the cluster, or renews the lease of a node that has joined.
-- KEYS: lease, nodes, lost, epoch, pulse, grace, connections
-- ARGV: node, what it says of itself, lease in ms, pulse in ms, a new epoch, the epoch that the node knows ('' to join),
--       '1' if the node may join again where this Redis does not know it, because nobody can have declared it lost
-- Returns {state, epoch, number of records, 1 if Redis has no memory for writes}, state being 'held', 'joined' (this Redis
-- did not know the node), 'unknown' (likewise, and it may not join yet) or 'lost'.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {'lost', '', 0, 0}
end
local epoch = redis.call('GET', KEYS[4])
if not epoch then
  epoch = ARGV[5]
  redis.call('SET', KEYS[4], epoch)
end
local is_quiet = redis.call('EXISTS', KEYS[5]) == 0
-- Redis refuses the first write of a script if it has no memory for it, so that this one finds out.
local written = redis.pcall('SET', KEYS[5], '1', 'PX', ARGV[4])
local full = 0
if type(written) == 'table' and written.err then
  if not string.find(written.err, 'OOM', 1, true) then
    return written
  end
  full = 1
  redis.call('PEXPIRE', KEYS[5], ARGV[4])
end
if is_quiet then
  -- No node has reached this Redis for a while: the others get the time of a lease to renew theirs. It is not extended,
  -- so that nodes on busy machines, which are late again and again, still take a lost one over.
  redis.call('SET', KEYS[6], '1', 'NX', 'PX', ARGV[3])
end
local known = redis.call('HGET', KEYS[2], ARGV[1])
local state = 'held'
if not known or (ARGV[6] ~= '' and ARGV[6] ~= epoch) then
  if ARGV[7] ~= '1' then
    return {'unknown', epoch, 0, full}
  end
  state = 'joined'
end
if known ~= ARGV[2] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
if redis.call('PEXPIRE', KEYS[1], ARGV[3]) == 0 then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[3])
end
return {state, epoch, redis.call('HLEN', KEYS[7]), full}
