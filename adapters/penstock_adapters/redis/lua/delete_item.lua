local id, owner, item = unpack(ARGV)
if call('HGET', P .. 'c:' .. id, 'owner') ~= owner or call('ZREM', P .. 'o:' .. id, item) == 0 then
  return 0
end
call('HDEL', P .. 'b:' .. id, item)
remove_home(owner, {item}, 'c:' .. id)
return 1
