-- The body of one item of a conversation.
local id, owner, item = unpack(ARGV)
if call('HGET', P .. 'c:' .. id, 'owner') ~= owner then
  return false
end
return call('HGET', P .. 'b:' .. id, item)
