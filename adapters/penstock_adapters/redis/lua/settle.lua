-- Change a response that has not ended. 1: changed, perhaps by this call's first attempt; 0: not.
local id, owner, status, body, output, fence, token = unpack(ARGV)
local key, home = P .. 'r:' .. id, 'r:' .. id
local known = call('HMGET', key, 'owner', 'status', 'token', 'fence', 'until', 'conversation', 'expires', 'input',
  'output')
if known[1] ~= owner then
  return 0
end
if known[3] == token then
  return 1
end
if ENDED[known[2]] or (fence ~= '' and not holds(known[2], known[4], known[5], fence)) then
  return 0
end
if status == 'completed' and known[6] and not add_turn(known[6], owner, id, known[8], output) then
  return 0
end
if known[9] ~= '' then
  remove_home(owner, ids_in(known[9]), home)
  add_home(owner, ids_in(known[8]), home, known[7])
end
add_home(owner, ids_in(output), home, known[7])
call('HSET', key, 'status', status, 'body', body, 'output', output, 'token', token)
call('HDEL', key, 'request')
if ENDED[status] then
  call('HDEL', key, 'fence', 'until')
  call('ZREM', FREE, id)
  call('ZREM', HELD, id)
  call('PUBLISH', P .. 'w:' .. id, 'end')
end
return 1
