-- Renew leases, given as id and fence of each; returns the ids of lost leases.
local until_time, lost = ARGV[1], {}
for i = 2, #ARGV, 2 do
  local id, key = ARGV[i], P .. 'r:' .. ARGV[i]
  local known = call('HMGET', key, 'status', 'fence', 'until', 'background')
  if not holds(known[1], known[2], known[3], ARGV[i + 1]) then
    lost[#lost + 1] = id
  else
    call('HSET', key, 'until', until_time)
    if known[4] then
      call('ZREM', FREE, id)
      call('ZADD', HELD, until_time, id)
    end
  end
end
return lost
