-- Add a response. 1: added, 0: its conversation does not accept it, 2: the id is in use, and not by this same call.
local id, owner, status, created, expires, previous, conversation, background, body, input, output, request, token =
  unpack(ARGV)
local key = P .. 'r:' .. id
local known = call('HGET', key, 'token')
if known then
  return known == token and 1 or 2
end
if status == 'completed' and conversation ~= '' and not add_turn(conversation, owner, id, input, output) then
  return 0
end
local fields = {'owner', owner, 'status', status, 'created', created, 'body', body, 'input', input, 'output', output,
  'token', token}
local optional = {expires = expires, previous = previous, conversation = conversation, background = background,
  request = request}
for name, value in pairs(optional) do
  if value ~= '' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
call('HSET', key, unpack(fields))
if expires ~= '' then
  call('EXPIREAT', key, expires)
  call('ZADD', EXPIRY, expires, 'r:' .. id)
end
add_home(owner, ids_in(input), 'r:' .. id, expires ~= '' and expires)
add_home(owner, ids_in(output), 'r:' .. id, expires ~= '' and expires)
if background ~= '' and not ENDED[status] then
  call('ZADD', FREE, created, id)
end
return 1
