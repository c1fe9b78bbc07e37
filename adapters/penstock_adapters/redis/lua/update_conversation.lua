local id, owner, metadata = unpack(ARGV)
if call('HGET', P .. 'c:' .. id, 'owner') ~= owner then
  return 0
end
call('HSET', P .. 'c:' .. id, 'metadata', metadata)
return 1
