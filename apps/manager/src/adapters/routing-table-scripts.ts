/**
 * The scripts that write the routing table. Each runs as a whole or not at all, so table and change stream agree.
 *
 * Publish: KEYS seq, changes, epoch, then one per entry; ARGV epoch and seq that Redis should have at least, how many
 * changes to keep, then (change key, version, entry) per entry. Refuses when Redis is not the one that was written to.
 */
export const PUBLISH = `
local epoch = redis.call('GET', KEYS[3]) or ''
local seq = tonumber(redis.call('GET', KEYS[1]) or '-1')
if epoch ~= ARGV[1] or seq < tonumber(ARGV[2]) then return {'lost', epoch, seq, 0, 0} end
local applied, stale = 0, 0
for i = 4, #KEYS do
  local at = 4 + (i - 4) * 3
  local current = redis.call('GET', KEYS[i])
  local version = -1
  if current then
    local readable, entry = pcall(cjson.decode, current)
    if readable and type(entry) == 'table' then version = tonumber(entry.v) or -1 end
  end
  if version < tonumber(ARGV[at + 1]) then
    redis.call('SET', KEYS[i], ARGV[at + 2])
    seq = redis.call('INCR', KEYS[1])
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], seq .. '-0', 'key', ARGV[at], 'entry', ARGV[at + 2])
    applied = applied + 1
  else
    stale = stale + 1
  end
end
return {'published', epoch, seq, applied, stale}`;

/**
 * Rebuild, first: KEYS seq, changes, epoch, rebuild; ARGV token, seconds the token lives. From here on a missing entry
 * means "unknown" to every reader, and no relay that still remembers the old epoch can write.
 */
export const BEGIN_REBUILD = `
redis.call('DEL', KEYS[3], KEYS[2])
redis.call('SET', KEYS[1], 0)
redis.call('SET', KEYS[4], ARGV[1], 'EX', ARGV[2])
return 'OK'`;

/** Rebuild, each page: KEYS rebuild, then the entries'; ARGV token, seconds, then the entries. A newer rebuild wins. */
export const WRITE_PAGE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'superseded' end
redis.call('EXPIRE', KEYS[1], ARGV[2])
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1]) end
return 'OK'`;

/** Rebuild, last: KEYS seq, epoch, rebuild; ARGV token, the new epoch. Only now is the table complete. */
export const FINISH_REBUILD = `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[3])
redis.call('SET', KEYS[2], ARGV[2])
return tonumber(redis.call('GET', KEYS[1]))`;
