-- Remove a conversation. 0: it is not there, 1: done, 2: gone for everybody, but `purge` has more to do.
local id, owner = unpack(ARGV)
if call('HGET', P .. 'c:' .. id, 'owner') ~= owner then
  return 0
end
return purge(id) and 1 or 2
