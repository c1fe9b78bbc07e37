-- Batches of events, id and fields of each, from the batch with the next requested number on.
local id, after, batches_max, bytes_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local key = P .. 'e:' .. id
local start = call('XREVRANGE', key, (after + 2) .. '-0', '-', 'COUNT', 1)[1]
local from, found, bytes = start and start[1] or '-', {}, 0
while #found < batches_max and bytes <= bytes_max do
  local next_batches = call('XRANGE', key, from, '+', 'COUNT', 16)
  for _, batch in ipairs(next_batches) do
    found[#found + 1] = batch
    bytes = bytes + #batch[2][2]
    from = '(' .. batch[1]
    if #found == batches_max or bytes > bytes_max then
      break
    end
  end
  if #next_batches < 16 then
    break
  end
end
return found
