-- Joins the cluster, or renews the lease of a node that has joined.
-- KEYS: lease, nodes, lost, epoch, pulse, grace, connections
-- ARGV: node, what it says of itself, lease in ms, pulse in ms, a new epoch, the epoch that the node knows ('' to join),
--       for how long a lost node is remembered in ms
-- Returns {state, epoch, number of records}, state being 'held', 'empty' (this Redis has lost its data) or 'lost'.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {'lost', '', 0}
end
local epoch = redis.call('GET', KEYS[4])
if not epoch then
  epoch = ARGV[5]
  redis.call('SET', KEYS[4], epoch)
end
local state = 'held'
if ARGV[6] ~= '' then
  if epoch ~= ARGV[6] then
    state = 'empty'
  elseif redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
    -- Taken over so long ago that nothing remembers it, or forgotten in a failover.
    redis.call('SET', KEYS[3], redis.call('TIME')[1], 'PX', ARGV[7])
    return {'lost', '', 0}
  end
end
if redis.call('EXISTS', KEYS[5]) == 0 then
  -- No node has reached this Redis for a while: the others get the time of a lease to renew theirs. It is not extended,
  -- so that nodes on busy machines, which are late again and again, still take a lost one over.
  redis.call('SET', KEYS[6], '1', 'NX', 'PX', ARGV[3])
end
redis.call('SET', KEYS[5], '1', 'PX', ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {state, epoch, redis.call('HLEN', KEYS[7])}
