-- KEYS[1] is set to ARGV[2], which expires in ARGV[3] milliseconds unless that is empty, or removed without ARGV[2]: all
-- that if it is ARGV[1] now. Returns whether it was.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
elseif not ARGV[2] then
  redis.call('DEL', KEYS[1])
elseif ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('PSETEX', KEYS[1], ARGV[3], ARGV[2])
end
return 1
