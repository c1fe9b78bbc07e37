local id, owner = unpack(ARGV)
if call('HGET', P .. 'r:' .. id, 'owner') ~= owner then
  return 0
end
drop_response(id)
return 1
