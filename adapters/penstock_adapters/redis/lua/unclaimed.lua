-- Background responses without a valid lease, oldest first: the id of each, and its fields as ARGV names them.
local now, limit, bytes_max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local fields, rows, bytes = {unpack(ARGV, 4)}, {}, 0

-- Whether it is free. Its set is corrected, since another replica's clock may have decided otherwise.
local function is_free(id)
  local known = call('HMGET', P .. 'r:' .. id, 'status', 'until', 'created')
  call('ZREM', HELD, id)
  if not known[1] or ENDED[known[1]] then
    call('ZREM', FREE, id)
    return false
  end
  if known[2] and tonumber(known[2]) > now then
    call('ZREM', FREE, id)
    call('ZADD', HELD, known[2], id)
    return false
  end
  call('ZADD', FREE, known[3], id)
  return true
end

for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, 1000)) do
  is_free(id)
end
while #rows < limit and bytes <= bytes_max do
  local id = call('ZRANGE', FREE, #rows, #rows)[1]
  if not id then
    break
  end
  if is_free(id) then
    local row = call('HMGET', P .. 'r:' .. id, unpack(fields))
    for _, value in ipairs(row) do
      bytes = bytes + (value and #value or 0)
    end
    rows[#rows + 1] = {id, row}
  end
end
return rows
