-- Take a lease. Returns its fence, or 0.
local id, now, until_time = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local key = P .. 'r:' .. id
local known = call('HMGET', key, 'status', 'until', 'background')
if not known[1] or ENDED[known[1]] or (known[2] and tonumber(known[2]) > now) then
  return 0
end
call('HSET', key, 'until', until_time)
if known[3] then
  call('ZREM', FREE, id)
  call('ZADD', HELD, until_time, id)
end
return call('HINCRBY', key, 'fence', 1)
