local id, writer, now, until_time = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local key = P .. 'c:' .. id
local known = call('HMGET', key, 'owner', 'writer', 'until')
if not known[1] or (known[2] and known[2] ~= writer and tonumber(known[3]) > now) then
  return 0
end
call('HSET', key, 'writer', writer, 'until', until_time)
return 1
