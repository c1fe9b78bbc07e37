-- Functions of several scripts; they are prepended to each of them. KEYS[1] is the prefix of every key.
--   r:<id> a response   e:<id> its events   i:<owner>:<item> the rows that contain an item
--   c:<id> a conversation   o:<id> the order of its items   b:<id> their bodies
--   expiry, free, held: sorted sets of what expires when, and of background work without and with a lease
local P, call = KEYS[1], redis.call
local EXPIRY, FREE, HELD = P .. 'expiry', P .. 'free', P .. 'held'
local ENDED = {completed = true, incomplete = true, failed = true, cancelled = true}
local PURGED_AT_A_TIME = 500

-- The ids of the items in a packed list, with the position and length of each body, which is not copied.
local function ids_in(packed)
  local ids, places, at, id, length = {}, {}, 1, nil, nil
  while at <= #packed do
    id, at = struct.unpack('<I4c0', packed, at)
    length, at = struct.unpack('<I4', packed, at)
    ids[#ids + 1], places[#places + 1] = id, {at, length}
    at = at + length
  end
  return ids, places
end

-- Whether a lease has this fence: a fence is never used twice, and no lease outlives its response's end.
local function holds(status, held_fence, held_until, fence)
  return status and not ENDED[status] and held_until and held_fence == fence
end

-- A set of homes (the rows that contain an item) expires with the last of them.
local function extend(key)
  local last = call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
  if last == 'inf' then
    call('PERSIST', key)
  elseif last then
    call('EXPIREAT', key, last)
  end
end

-- Add a home of items. Homes that have expired are removed when a new one is added.
local function add_home(owner, ids, home, expires)
  for _, id in ipairs(ids) do
    local key = P .. 'i:' .. owner .. ':' .. id
    call('ZADD', key, expires or 'inf', home)
    if call('ZCARD', key) > 1 then
      call('ZREMRANGEBYSCORE', key, '-inf', '(' .. call('TIME')[1])
      extend(key)
    elseif expires then
      call('EXPIREAT', key, expires)
    end
  end
end

local function remove_home(owner, ids, home)
  for _, id in ipairs(ids) do
    local key = P .. 'i:' .. owner .. ':' .. id
    call('ZREM', key, home)
    extend(key)
  end
end

-- Add packed items at a conversation's end; an item that it has already keeps its position.
local function extend(id, owner, expires, packed)
  local order, bodies, fresh = P .. 'o:' .. id, P .. 'b:' .. id, {}
  local ids, places = ids_in(packed)
  for i, item in ipairs(ids) do
    local at, length = unpack(places[i])
    if call('HSETNX', bodies, item, packed:sub(at, at + length - 1)) == 1 then
      call('ZADD', order, call('HINCRBY', P .. 'c:' .. id, 'next', 1), item)
      fresh[#fresh + 1] = item
    end
  end
  if expires then
    call('EXPIREAT', order, expires)
    call('EXPIREAT', bodies, expires)
  end
  add_home(owner, fresh, 'c:' .. id, expires)
end

-- Add a completed turn to its conversation; false if that was deleted, or the response is not its writer.
local function add_turn(id, owner, writer, input, output)
  local known = call('HMGET', P .. 'c:' .. id, 'owner', 'writer', 'expires')
  if known[1] ~= owner or known[2] ~= writer then
    return false
  end
  extend(id, owner, known[3], input)
  extend(id, owner, known[3], output)
  return true
end

local function drop_response(id)
  local known = call('HMGET', P .. 'r:' .. id, 'owner', 'input', 'output')
  if known[1] then
    remove_home(known[1], ids_in(known[2]), 'r:' .. id)
    remove_home(known[1], ids_in(known[3]), 'r:' .. id)
  end
  call('UNLINK', P .. 'r:' .. id, P .. 'e:' .. id)
  call('ZREM', EXPIRY, 'r:' .. id)
  call('ZREM', FREE, id)
  call('ZREM', HELD, id)
  call('PUBLISH', P .. 'w:' .. id, 'end')
end

-- Delete a slice of a conversation that is hidden from all clients. True once nothing is left; `sweep` continues what a
-- crash has interrupted.
local function purge(id)
  local key, order = P .. 'c:' .. id, P .. 'o:' .. id
  local owner = call('HGET', key, 'gone') or call('HGET', key, 'owner')
  local popped, ids = call('ZPOPMIN', order, PURGED_AT_A_TIME), {}
  for i = 1, #popped, 2 do
    ids[#ids + 1] = popped[i]
    call('HDEL', P .. 'b:' .. id, popped[i])
  end
  if owner then
    remove_home(owner, ids, 'c:' .. id)
  end
  if call('EXISTS', order) == 1 then
    if owner then
      call('HSET', key, 'gone', owner)
      call('HDEL', key, 'owner')
    end
    call('ZADD', EXPIRY, '-inf', 'c:' .. id)
    return false
  end
  call('UNLINK', key, P .. 'b:' .. id)
  call('ZREM', EXPIRY, 'c:' .. id)
  return true
end

