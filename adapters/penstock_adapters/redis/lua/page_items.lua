-- Items after an item or a position, '' being the beginning: whether more follow, the last position, id and body of each.
local id, owner, kind, position, limit, bytes_max, is_ascending =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == 'asc'
local order, bodies = P .. 'o:' .. id, P .. 'b:' .. id
if call('HGET', P .. 'c:' .. id, 'owner') ~= owner then
  return false
end
if kind == 'item' then
  position = call('ZSCORE', order, position)
  if not position then
    return false
  end
end
local from = position == '' and (is_ascending and '-inf' or '+inf') or '(' .. position
local command, to = is_ascending and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE', is_ascending and '+inf' or '-inf'
local known = call(command, order, from, to, 'WITHSCORES', 'LIMIT', 0, limit + 1)
local page, bytes, count = {0, position}, 0, 0
for i = 1, #known, 2 do
  if count == limit or bytes > bytes_max then
    page[1] = 1
    break
  end
  local body = call('HGET', bodies, known[i])
  count, bytes = count + 1, bytes + #body
  page[2] = known[i + 1]
  page[#page + 1] = known[i]
  page[#page + 1] = body
end
return page
