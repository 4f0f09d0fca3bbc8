-- Asks whether a node is gone for good, so that its connections need not be known any more.
-- KEYS: the node's lease, nodes, lost; epoch, grace
-- ARGV: node
-- Returns 'gone', 'unknown' (it may be alive: it has a lease, or may still renew it), or 'absent' (nothing is known of it,
-- which also happens after Redis has lost data).
if redis.call('EXISTS', KEYS[3]) == 1 then
  return 'gone'
end
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return 'unknown'
end
if redis.call('EXISTS', KEYS[4]) == 0 or redis.call('EXISTS', KEYS[5]) == 1 then
  return 'unknown'
end
return 'absent'
