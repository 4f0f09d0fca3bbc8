-- Declares a node lost, and claims its records for another node.
-- KEYS: the lost node's lease, nodes, claim, lost; the claiming node's lease; pulse, grace
-- ARGV: lost node, claiming node, lease in ms, pulse in ms, for how long a lost node is remembered in ms,
--       '1' if the node is known to be gone, whatever its lease says
-- Returns {state, for how many seconds the node has been lost}, state being 'claimed', or why not: 'grace', 'alive',
-- 'gone' (its take-over has ended), 'taken' (by another node) or 'expired' (the claiming node's own lease).
if redis.call('EXISTS', KEYS[5]) == 0 then
  return {'expired', 0}
end
if ARGV[6] ~= '1' then
  if redis.call('EXISTS', KEYS[6]) == 0 then
    redis.call('SET', KEYS[7], '1', 'NX', 'PX', ARGV[3])
  end
  redis.call('SET', KEYS[6], '1', 'PX', ARGV[4])
  if redis.call('EXISTS', KEYS[7]) == 1 then
    return {'grace', 0}
  end
  if redis.call('EXISTS', KEYS[1]) == 1 then
    return {'alive', 0}
  end
end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  return {'gone', 0}
end
if not redis.call('SET', KEYS[3], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return {'taken', 0}
end
local now = redis.call('TIME')[1]
redis.call('SET', KEYS[4], now, 'NX')
-- For as long as records are left, so that they can be dropped after that time.
redis.call('PEXPIRE', KEYS[4], ARGV[5])
redis.call('DEL', KEYS[1])
local since = string.match(redis.call('GET', KEYS[4]), '^%d+')
return {'claimed', tonumber(now) - tonumber(since or now)}
