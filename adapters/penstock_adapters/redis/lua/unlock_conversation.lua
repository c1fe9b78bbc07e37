local id, writer = unpack(ARGV)
if call('HGET', P .. 'c:' .. id, 'writer') ~= writer then
  return 0
end
return call('HDEL', P .. 'c:' .. id, 'writer', 'until')
