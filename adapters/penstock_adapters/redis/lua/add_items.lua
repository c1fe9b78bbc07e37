local id, owner, items = unpack(ARGV)
local known = call('HMGET', P .. 'c:' .. id, 'owner', 'expires')
if known[1] ~= owner then
  return 0
end
extend(id, owner, known[2], items)
return 1
