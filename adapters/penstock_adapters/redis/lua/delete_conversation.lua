-- Delete a conversation. 0: it does not exist, 1: done, 2: hidden from all clients, but `purge` has more to delete.
local id, owner = unpack(ARGV)
if call('HGET', P .. 'c:' .. id, 'owner') ~= owner then
  return 0
end
return purge(id) and 1 or 2
