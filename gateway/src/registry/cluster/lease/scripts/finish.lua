-- Ends a take-over.
-- KEYS: claim, connections, nodes, lost, epoch
-- ARGV: claiming node, lost node, for how long a lost node is remembered in ms
-- Returns {how many records are left, for which the claim is given up, or -1 if the claim is not this node's any more;
-- the epoch}. Where none are left, the mark of the lost node says in which epoch: its records of that epoch are settled.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {-1, ''}
end
local left = redis.call('HLEN', KEYS[2])
local epoch = redis.call('GET', KEYS[5]) or ''
if left == 0 then
  local lost = redis.call('GET', KEYS[4]) or redis.call('TIME')[1]
  redis.call('SET', KEYS[4], string.match(lost, '^%d+') .. ' ' .. epoch, 'PX', ARGV[3])
  redis.call('HDEL', KEYS[3], ARGV[2])
end
redis.call('DEL', KEYS[1])
return {left, epoch}
