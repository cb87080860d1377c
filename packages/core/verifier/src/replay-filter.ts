import { limits } from '@quantum-ip/base'
import { ReplayLogs, segmentIndexes } from './lib/replay-logs.ts'
import {
  bitmapsAt,
  bucketS,
  chunkWords,
  fanOut,
  formatReplayMemory,
  groupKeys,
  groups,
  headerWord,
  logWord,
  logWords,
  logsMax,
  openReplayMemory,
  raise,
  type ReplayLayout,
  returnChunk,
  ringPlaces,
  sweepPlaces,
  takeChunk,
} from './lib/replay-memory.ts'
import { RetryWindow } from './lib/retry-window.ts'
import type { ObservedState, OneTimeUse, ReplayGuard, ReplayOutcome } from './replay-guard.ts'

/** How a {@link ReplayFilter} behaves; all threads that share a memory pass the same. */
export interface ReplayFilterOptions {
  /** `instance` where other instances serve the same services without sharing: it shows in each verdict. Default `shared`. */
  readonly scope?: 'shared' | 'instance'
  /** How long a named proxy may repeat a request with its token. Default 0: never. */
  readonly retryWindowMs?: number
  /**
   * How far the authority's clock may be ahead of this one: a state sets the floors if it is that much
   * younger than the memory. Default 1,000.
   */
  readonly floorSkewMs?: number
}

/** What a replay filter holds at this moment. */
export interface ReplayFilterStats {
  readonly tokens: number
  readonly chunks: number
  readonly chunksMax: number
}

// How far past its end, beyond the clock tolerance, a bucket is kept for verifications under way.
const graceS = 30
const depthMax = 40
// A log whose bucket grew this deep starts its next one with 256 chunks side by side.
const deepFrom = 6

/**
 * Allocates the memory of a replay filter, for all threads of one process.
 *
 * A sparse token takes 11 to 17 bytes, a dense one (neighbours are used here too) less than one. What
 * was used before `startedMs` is not in it, so nothing that could have been is accepted later.
 */
export function allocateReplayMemory(options: { bytes?: number; startedMs: number }): SharedArrayBuffer {
  return formatReplayMemory(options.bytes ?? 64 * 1_048_576, options.startedMs)
}

/**
 * A replay guard in shared memory: exact, of fixed size, without locks.
 *
 * Token logs are dense, so the set of used (log, index) is kept as bitmaps of 32 in open addressing, by
 * time bucket of `exp`: expiry drops a bucket whole. Nothing else is ever dropped: a full filter answers
 * `unavailable`. `fresh` is decided by one `Atomics.or`, so that of any number of threads exactly one gets it.
 */
export class ReplayFilter implements ReplayGuard {
  readonly scope: 'shared' | 'instance'
  readonly waits = false
  readonly #at: ReplayLayout
  readonly #logs: ReplayLogs
  readonly #retries: RetryWindow
  readonly #floorSkewMs: number
  readonly #startedMs: number
  // How deep the last insertion went.
  #depth = 0

  constructor(memory: SharedArrayBuffer, options: ReplayFilterOptions = {}) {
    this.#at = openReplayMemory(memory)
    this.#logs = new ReplayLogs(this.#at)
    this.#retries = new RetryWindow(this.#at, options.retryWindowMs ?? 0)
    this.scope = options.scope ?? 'shared'
    this.#floorSkewMs = options.floorSkewMs ?? 1_000
    const { words } = this.#at
    this.#startedMs = (words[headerWord.startedS] ?? 0) * 1_000 + (words[headerWord.startedMs] ?? 0)
  }

  ready(): boolean {
    return Atomics.load(this.#at.words, headerWord.floors) === 1
  }

  observe(state: ObservedState): void {
    if (this.ready() || state.timeMs < this.#startedMs + this.#floorSkewMs) return
    // Floors matter only as long as a token from before the start can live.
    this.#logs.setFloors(state.logs, Math.floor(state.timeMs / 1_000 / bucketS) + ringPlaces)
  }

  consume(use: OneTimeUse): ReplayOutcome {
    const { words } = this.#at
    const bucket = Math.floor(use.expiresS / bucketS) | 0
    this.#dropBefore(use.nowMs)
    // Plain reads where an older value only refuses, or is looked at again inside.
    if (words[headerWord.floors] !== 1) return 'unavailable'
    const dropped = words[headerWord.droppedThrough] ?? 0
    if (bucket <= dropped || bucket >= dropped + ringPlaces) return 'unavailable'
    const place = bucket & (ringPlaces - 1)
    Atomics.add(words, this.#at.insideAt + place, 1)
    const outcome = this.#enter(bucket, place) ? this.#use(use, bucket, place) : 'unavailable'
    Atomics.sub(words, this.#at.insideAt + place, 1)
    if (outcome === 'fresh') this.#retries.remember(use)
    return outcome === 'replayed' && this.#retries.isRetry(use) ? 'retry' : outcome
  }

  /** How full the filter is. */
  stats(): ReplayFilterStats {
    const { words, countsAt, chunks } = this.#at
    let tokens = 0
    for (let place = 0; place < ringPlaces; place++) tokens += Atomics.load(words, countsAt + place)
    return { tokens, chunks: Atomics.load(words, headerWord.chunksUsed), chunksMax: chunks - 1 }
  }

  #dropBefore(nowMs: number): void {
    const { words } = this.#at
    const through = Math.floor((nowMs / 1_000 - limits.clockToleranceS - graceS) / bucketS) - 1
    if (through <= (words[headerWord.swept] ?? 0)) return
    // First refuse, then forget.
    raise(words, headerWord.droppedThrough, through)
    sweepPlaces(this.#at, through)
  }

  // Claims the ring place for the bucket, or finds it claimed. Called, and to be believed, inside only.
  #enter(bucket: number, place: number): boolean {
    const { words, ringAt } = this.#at
    let seen = Atomics.load(words, ringAt + place)
    if (seen === 0) seen = Atomics.compareExchange(words, ringAt + place, 0, bucket)
    if (seen !== 0 && seen !== bucket) return false
    return Atomics.load(words, headerWord.droppedThrough) < bucket
  }

  #use(use: OneTimeUse, bucket: number, place: number): ReplayOutcome {
    const segment = Math.floor(use.index / segmentIndexes)
    const log = this.#logs.find(use.log, segment, bucket)
    if (log < 0) return 'unavailable'
    const floor = this.#logs.floor(log)
    // A log that the first state did not have began later; what it issued before the start is not known.
    if (floor < 0 ? use.issuedS * 1_000 < this.#startedMs : use.index < floor) return 'unavailable'
    const root = this.#root(log, bucket, place)
    if (root === 0) return 'unavailable'
    // Subtraction: a remainder of numbers above 2^31 is a call into the C library.
    const low = use.index - segment * segmentIndexes
    const word = Math.floor(low / 32)
    const outcome = this.#insert(root, place, (word + 1) | 0, 1 << (low - word * 32))
    if (this.#depth > deepFrom) raise(this.#at.words, this.#at.logsAt + log * logWords + logWord.deep, bucket)
    if (outcome === 'fresh') Atomics.add(this.#at.words, this.#at.countsAt + place, 1)
    return outcome
  }

  #root(log: number, bucket: number, place: number): number {
    const { words, rootsAt, logsAt } = this.#at
    const at = rootsAt + place * logsMax + log
    const seen = Atomics.load(words, at)
    if (seen !== 0) return seen
    const chunk = takeChunk(this.#at, place)
    if (chunk === 0) return 0
    const deep = Atomics.load(words, logsAt + log * logWords + logWord.deep)
    const root = deep >= bucket - 2 && deep <= bucket + ringPlaces && deep > 0 ? -chunk : chunk
    const first = Atomics.compareExchange(words, at, 0, root)
    if (first === 0) return root
    returnChunk(this.#at, chunk)
    return first
  }

  #insert(root: number, place: number, key: number, bit: number): ReplayOutcome {
    const { words, chunksAt, childrenAt } = this.#at
    let mixed = mix(key)
    let chunk = root < 0 ? this.#below(chunksAt - root * chunkWords + (mixed & (fanOut - 1)), place) : root
    for (let depth = 0; depth < depthMax && chunk > 0; depth++) {
      mixed = mix(mixed + depth)
      this.#depth = depth
      const group = chunksAt + chunk * chunkWords + (mixed & (groups - 1)) * groupKeys
      for (let at = group; at < group + groupKeys; at++) {
        // A plain read will do, and costs a twentieth of an atomic one: a key, once there, stays, and a zero
        // that is no longer true is corrected by the exchange.
        let seen = words[at]
        if (seen === 0) seen = Atomics.compareExchange(words, at, 0, key)
        if (seen !== 0 && seen !== key) continue
        return (Atomics.or(words, at + bitmapsAt, bit) & bit) === 0 ? 'fresh' : 'replayed'
      }
      chunk = this.#below(childrenAt + chunk * 2 + ((mixed >>> 8) & 1), place)
    }
    return 'unavailable'
  }

  // The chunk that a word points to, put there if there is none yet; 0 if there is no room.
  #below(at: number, place: number): number {
    const { words } = this.#at
    const seen = Atomics.load(words, at)
    if (seen !== 0) return seen
    const chunk = takeChunk(this.#at, place)
    if (chunk === 0) return 0
    const first = Atomics.compareExchange(words, at, 0, chunk)
    if (first === 0) return chunk
    returnChunk(this.#at, chunk)
    return first
  }
}

// The finaliser of MurmurHash3: each bit of the key moves each bit of the result.
function mix(key: number): number {
  let h = key
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
