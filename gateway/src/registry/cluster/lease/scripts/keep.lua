-- Renews a claim.
-- KEYS: claim
-- ARGV: claiming node, lease in ms
-- Returns 1, or 0 if the claim is not this node's any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
