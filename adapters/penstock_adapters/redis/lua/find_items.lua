-- The bodies of items: the number of ids that were looked up, then id and body of each item that exists.
local owner, bytes_max = ARGV[1], tonumber(ARGV[2])
local found, bytes, rows = {0}, 0, {}

-- The position of each item in a response; a response is read once for all of its items.
local function row_of(home)
  if not rows[home] then
    local values, where = call('HMGET', P .. home, 'owner', 'input', 'output'), {}
    for _, packed in ipairs(values[1] == owner and {values[2], values[3]} or {}) do
      local ids, places = ids_in(packed)
      for i, id in ipairs(ids) do
        where[id] = {packed, places[i][1], places[i][2]}
      end
    end
    rows[home] = where
  end
  return rows[home]
end

local function body_in(home, item)
  if home:sub(1, 2) == 'c:' then
    return call('HGET', P .. home, 'owner') == owner and call('HGET', P .. 'b:' .. home:sub(3), item)
  end
  local place = row_of(home)[item]
  return place and place[1]:sub(place[2], place[2] + place[3] - 1)
end

local function body_of(item)
  for _, home in ipairs(call('ZREVRANGE', P .. 'i:' .. owner .. ':' .. item, 0, 7)) do
    local body = body_in(home, item)
    if body then
      return body
    end
  end
end

for i = 3, #ARGV do
  local body = body_of(ARGV[i])
  found[1] = found[1] + 1
  if body then
    found[#found + 1] = ARGV[i]
    found[#found + 1] = body
    bytes = bytes + #body
    if bytes > bytes_max then
      break
    end
  end
end
return found
