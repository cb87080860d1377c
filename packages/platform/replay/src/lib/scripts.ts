import { createHash } from 'node:crypto'

/** A script with the digest that Redis keeps it under. */
export interface Script {
  readonly text: string
  readonly sha1: string
}

/** How far the clocks of Redis and of a verifier may be apart. Used tokens are kept this much longer than they live. */
export const skewMsMax = 60_000

// INVARIANT: `fresh` comes out of one script that sees, at once, which server this is, since when it remembers, and whether the
// token was there. `master_replid` is new with each start of a primary, each promotion, and each copy of another primary's data,
// so a memory that was begun under another one may lack its last writes; it begins anew, with the margin during which a deposed
// primary may still have answered others. All of it costs 4 us of `INFO` (measured on 7.0.15).
//
// The record of a partition: `<id> <opens, ms> <replid> <evicted keys> <cause>`.
const memory = `
local function memory_of(text)
  if not text then return nil end
  local id, opens, replid, evicted, cause = string.match(text, '^(%S+) (%d+) (%x+) (%d+) (%a+)$')
  if not id then return nil end
  return { id = id, opens = tonumber(opens), replid = replid, evicted = evicted }
end
local function clock_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function replid_now()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
local function evicted_now()
  return string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)')
end
local function begin(key, cause, id, now, margin, replid)
  -- Two clocks would have to be behind for a memory to open too early; and none may be far ahead, or it would open too late.
  local clock = clock_ms()
  if math.abs(clock - now) > ${skewMsMax} then error('QIPCLOCK') end
  local opens = math.max(now, clock)
  if cause == 'primary' then opens = opens + margin end
  local text = string.format('%s %.0f %s %s %s', id, opens, replid, evicted_now(), cause)
  redis.call('SET', key, text)
  return text
end
local function cause_of(held, replid, known)
  if not held then
    if known == '' then return 'new' end
    return known == replid and 'lost' or 'primary'
  end
  return held.replid ~= replid and 'primary' or nil
end
`

// KEYS: the partition's record, the token.
// ARGV: issued ms, end of remembering ms, retry tag, retry window ms, memory under whose floor the index is clear,
//       clock tolerance ms, ID for a new memory, this verifier's time ms, margin ms, the replid that it knows.
const check = `${memory}
local replid = replid_now()
local text = redis.call('GET', KEYS[1])
local held = memory_of(text)
local cause = cause_of(held, replid, ARGV[10])
if cause then
  return { 'raised', begin(KEYS[1], cause, ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9]), replid) }
end
if ARGV[5] ~= held.id and tonumber(ARGV[1]) < held.opens + tonumber(ARGV[6]) then return { 'floor', text } end
local now = clock_ms()
-- A key that would end at once would let the token pass again.
if tonumber(ARGV[2]) <= now then return 'late' end
local first = redis.call('SET', KEYS[2], string.format('%s %.0f', ARGV[3], now), 'NX', 'GET', 'PXAT', ARGV[2])
if not first then return 'fresh' end
if ARGV[3] == '' then return 'replayed' end
local tag, at = string.match(first, '^(%S+) (%d+)$')
if tag == ARGV[3] and now - tonumber(at) <= tonumber(ARGV[4]) then return 'retry' end
return 'replayed'
`

// KEYS: the partition's record. ARGV: ID for a new memory, this verifier's time ms, margin ms, the replid that it knows,
// and a time in ms: a memory that began before it begins anew.
const look = `${memory}
local role = string.match(redis.call('INFO', 'replication'), 'role:(%a+)')
if role ~= 'master' then return redis.error_reply('READONLY this is a replica') end
local replid = replid_now()
local text = redis.call('GET', KEYS[1])
local held = memory_of(text)
local cause = cause_of(held, replid, ARGV[4])
if held and not cause then
  if held.evicted ~= evicted_now() then cause = 'evicted'
  elseif held.opens < tonumber(ARGV[5]) then cause = 'clock' end
end
if cause then text = begin(KEYS[1], cause, ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), replid) end
-- Two sections at once: Redis before 7.0 refuses that, and could not run the other script either.
local policy = string.match(redis.call('INFO', 'memory', 'stats'), 'maxmemory_policy:([%a-]+)')
return { text, policy, string.format('%.0f', clock_ms()) }
`

/** Uses a token, or says why not. */
export const checkScript = scriptOf(check)

/** Says what a partition's memory is, and begins it where there is none. */
export const lookScript = scriptOf(look)

function scriptOf(text: string): Script {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}
