-- Add a batch of events, whose id in the stream is its first number and one: a stream has no 0-0.
local id, fence, first, data = unpack(ARGV)
local known = call('HMGET', P .. 'r:' .. id, 'status', 'fence', 'until', 'expires')
if not holds(known[1], known[2], known[3], fence) then
  return 0
end
local key, number = P .. 'e:' .. id, (first + 1) .. '-0'
local added = redis.pcall('XADD', key, number, 'd', data)
if type(added) == 'table' then
  -- The first attempt of this call may have added it, and only its answer was lost.
  return #call('XRANGE', key, number, number) == 1 and 1 or added
end
if known[4] then
  call('EXPIREAT', key, known[4])
end
call('PUBLISH', P .. 'w:' .. id, first)
return 1
