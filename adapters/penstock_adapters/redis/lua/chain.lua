-- The chain that ends with a response, newest first, as a flat list of rows after a status: 0: complete; 1 and an id:
-- continue with that id; 2: it is too long.
local owner, id, responses_max, bytes_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local rows, count, bytes = {0, ''}, 0, 0
while id do
  local row = call('HMGET', P .. 'r:' .. id, 'owner', 'status', 'previous', 'conversation', 'input', 'output')
  if row[1] ~= owner then
    break
  end
  if count == responses_max then
    return {2}
  end
  count = count + 1
  row[1] = id
  for _, value in ipairs(row) do
    rows[#rows + 1] = value
  end
  bytes = bytes + #row[5] + #row[6]
  id = row[3]
  if id and bytes > bytes_max then
    rows[1], rows[2] = 1, id
    break
  end
end
return rows
