-- Add a conversation. 1: added, 2: the id is in use, and not by this same call.
local id, owner, created, expires, metadata, items, token = unpack(ARGV)
local key = P .. 'c:' .. id
local known = call('HGET', key, 'token')
if known then
  return known == token and 1 or 2
end
call('HSET', key, 'owner', owner, 'created', created, 'metadata', metadata, 'token', token)
if expires ~= '' then
  call('HSET', key, 'expires', expires)
  call('ZADD', EXPIRY, expires, 'c:' .. id)
end
extend(id, owner, expires ~= '' and expires, items)
if expires ~= '' then
  call('EXPIREAT', key, expires)
end
return 1
