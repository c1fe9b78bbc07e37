-- Whether a response still runs, and the id of its last batch of events.
local status = call('HGET', P .. 'r:' .. ARGV[1], 'status')
local last = call('XREVRANGE', P .. 'e:' .. ARGV[1], '+', '-', 'COUNT', 1)[1]
return {status and not ENDED[status] and 1 or 0, last and last[1] or '0-0'}
