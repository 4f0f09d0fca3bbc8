-- Writes again what a node knows of the others, after Redis may have lost it.
-- KEYS: nodes, then lost for each lost node
-- ARGV: for how long a lost node is remembered in ms, number of lost nodes, for each of them the epoch in which its
--       take-over ended ('' if unknown), then each known node and what it says of itself
local count = tonumber(ARGV[2])
local now = redis.call('TIME')[1]
for at = 1, count do
  local epoch = ARGV[2 + at]
  if epoch == '' then
    redis.call('SET', KEYS[1 + at], now, 'NX', 'PX', ARGV[1])
  else
    redis.call('SET', KEYS[1 + at], now .. ' ' .. epoch, 'PX', ARGV[1])
  end
end
for at = 3 + count, #ARGV - 1, 2 do
  redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1])
end
return 1
