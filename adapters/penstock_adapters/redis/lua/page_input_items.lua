-- Items that a response was made from, behind an item or a place, '' being the beginning: whether more follow, the last
-- place, id and body of each. 2: the chain is too long. A place is a turn, 1 being the newest, and a number within it.
local id, owner, responses_max, kind, position, limit, bytes_max, is_ascending =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == 'asc'
local chain, step = {}, is_ascending and 1 or -1
while id do
  local row = call('HMGET', P .. 'r:' .. id, 'owner', 'previous')
  if row[1] ~= owner then
    break
  end
  if #chain == responses_max then
    return {2}
  end
  chain[#chain + 1] = id
  id = row[2]
end
if #chain == 0 then
  return false
end

-- The items of a turn, oldest first, each with where its body stands; the output of the newest is not among them.
local function items_of(turn)
  local sides, items = call('HMGET', P .. 'r:' .. chain[turn], 'input', 'output'), {}
  for side = 1, turn == 1 and 1 or 2 do
    local ids, places = ids_in(sides[side])
    for i, item in ipairs(ids) do
      items[#items + 1] = {id = item, packed = sides[side], at = places[i][1], length = places[i][2]}
    end
  end
  return items
end

local function first_of(items)
  return is_ascending and 1 or #items
end

local function place_of(item)
  local homes, turn = P .. 'i:' .. owner .. ':' .. item, is_ascending and #chain or 1
  while chain[turn] do
    local items = call('ZSCORE', homes, 'r:' .. chain[turn]) and items_of(turn) or {}
    local number = first_of(items)
    while items[number] do
      if items[number].id == item then
        return turn, number
      end
      number = number + step
    end
    turn = turn - step
  end
end

local turn, number = is_ascending and #chain or 1, nil
if kind == 'item' then
  turn, number = place_of(position)
  if not turn then
    return false
  end
elseif position ~= '' then
  turn, number = position:match('(%d+) (%d+)')
  turn, number = tonumber(turn), tonumber(number)
end
local page, bytes, count = {0, position}, 0, 0
while chain[turn] do
  local items = items_of(turn)
  number = number and number + step or first_of(items)
  while items[number] do
    if count == limit or bytes > bytes_max then
      page[1] = 1
      return page
    end
    local item = items[number]
    count, bytes = count + 1, bytes + item.length
    page[2] = turn .. ' ' .. number
    page[#page + 1] = item.id
    page[#page + 1] = item.packed:sub(item.at, item.at + item.length - 1)
    number = number + step
  end
  turn, number = turn - step, nil
end
return page
