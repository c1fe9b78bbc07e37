-- Delete some expired rows. Returns how many, and whether there are more.
local now, limit = ARGV[1], tonumber(ARGV[2])
local homes, removed = call('ZRANGEBYSCORE', EXPIRY, '-inf', now, 'LIMIT', 0, limit), 0
for _, home in ipairs(homes) do
  if home:sub(1, 2) == 'r:' then
    drop_response(home:sub(3))
  elseif not purge(home:sub(3)) then
    return {removed, 1}
  end
  removed = removed + 1
end
return {removed, #homes == limit and 1 or 0}
