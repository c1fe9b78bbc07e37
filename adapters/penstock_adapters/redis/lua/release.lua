local id, fence = unpack(ARGV)
local key = P .. 'r:' .. id
local known = call('HMGET', key, 'status', 'fence', 'until', 'background', 'created')
if not holds(known[1], known[2], known[3], fence) then
  return 0
end
call('HDEL', key, 'until')
if known[4] then
  call('ZREM', HELD, id)
  call('ZADD', FREE, known[5], id)
end
return 1
