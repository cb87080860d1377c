import { utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { headerWord, logWord, logWords, logsMax, raise, type ReplayLayout } from './replay-memory.ts'

/** Indexes that share a log's record: a key has 31 bits, and each stands for 32 indexes. */
export const segmentIndexes = 2 ** 36

const spinsMax = 2_000
const waitsMax = 5
const waitMs = 10
const reclaiming = -1

interface KnownLog {
  readonly log: number
  readonly generation: number
}

/**
 * The logs that a replay memory knows: finds the record of a log without a lock where this thread has
 * seen it before, and registers it under one where not (once per log and thread).
 */
export class ReplayLogs {
  readonly #at: ReplayLayout
  readonly #known = new Map<string, KnownLog>()

  constructor(at: ReplayLayout) {
    this.#at = at
  }

  /**
   * The record of a log's segment, marked as used in `bucket` so that it is not given away; -1 if there
   * is no room or the lock is stuck.
   */
  find(origin: string, segment: number, bucket: number): number {
    const name = segment === 0 ? origin : `${origin} ${segment}`
    const known = this.#known.get(name)
    // Mark first, look second: once marked it cannot be reclaimed, and what is there then stays there.
    if (
      known !== undefined &&
      this.#mark(known.log, bucket) &&
      this.#generation(known.log) === known.generation
    ) {
      return known.log
    }
    if (!this.#lock()) return -1
    const log = this.#register(origin, segment, bucket)
    this.#unlock()
    if (log < 0) return -1
    if (this.#known.size >= 4 * logsMax) this.#known.clear()
    this.#known.set(name, { log, generation: this.#generation(log) })
    return log
  }

  /** Sets the floors, once in the life of the memory: what each log held in the first fresh state. */
  setFloors(logs: ReadonlyMap<string, { readonly size: number }>, bucket: number): void {
    const { words } = this.#at
    if (!this.#lock()) return
    if (Atomics.load(words, headerWord.floors) === 0) {
      for (const [origin, { size }] of logs) {
        const log = this.#register(origin, Math.floor(size / segmentIndexes), bucket)
        // A log without a record has no floor, and then only tokens issued after the start count.
        if (log >= 0) this.#setFloor(log, size)
      }
      Atomics.store(words, headerWord.floors, 1)
    }
    this.#unlock()
  }

  /** The floor of a marked record, or -1 if the log was not in the state that set the floors. */
  floor(log: number): number {
    const { words, logsAt } = this.#at
    const record = logsAt + log * logWords
    // Plain reads: written before the record's generation, which was read atomically, and never again.
    if (words[record + logWord.floorKnown] === 0) return -1
    const low = (words[record + logWord.floorLow] ?? 0) >>> 0
    return ((words[record + logWord.floorHigh] ?? 0) >>> 0) * 2 ** 32 + low
  }

  #setFloor(log: number, floor: number): void {
    const { words, logsAt } = this.#at
    const record = logsAt + log * logWords
    Atomics.store(words, record + logWord.floorLow, (floor % 2 ** 32) | 0)
    Atomics.store(words, record + logWord.floorHigh, Math.floor(floor / 2 ** 32) | 0)
    Atomics.store(words, record + logWord.floorKnown, 1)
  }

  #mark(log: number, bucket: number): boolean {
    const { words, logsAt } = this.#at
    const last = logsAt + log * logWords + logWord.last
    for (;;) {
      const seen = Atomics.load(words, last)
      if (seen <= 0) return false
      if (seen >= bucket || Atomics.compareExchange(words, last, seen, bucket) === seen) return true
    }
  }

  #generation(log: number): number {
    return Atomics.load(this.#at.words, this.#at.logsAt + log * logWords + logWord.generation)
  }

  // Under the lock.
  #register(origin: string, segment: number, bucket: number): number {
    const { words, logsAt } = this.#at
    const name = originWords(origin)
    const swept = Atomics.load(words, headerWord.swept)
    let free = -1
    let floor = -1
    for (let log = 0; log < logsMax; log++) {
      const record = logsAt + log * logWords
      const last = Atomics.load(words, record + logWord.last)
      if (last === 0 || last === reclaiming) {
        if (free < 0) free = log
      } else if (sameOrigin(words, record, name)) {
        if (words[record + logWord.high] === segment) {
          raise(words, record + logWord.last, bucket)
          return log
        }
        floor = Math.max(floor, this.floor(log))
      } else if (
        free < 0 &&
        last <= swept &&
        Atomics.compareExchange(words, record + logWord.last, last, reclaiming) === last
      ) {
        free = log
      }
    }
    if (free < 0) return -1
    const record = logsAt + free * logWords
    words.set(name, record)
    words[record + logWord.high] = segment
    words[record + logWord.floorKnown] = 0
    words[record + logWord.deep] = 0
    if (floor >= 0) this.#setFloor(free, floor)
    Atomics.add(words, record + logWord.generation, 1)
    Atomics.store(words, record + logWord.last, bucket)
    return free
  }

  #lock(): boolean {
    const { words } = this.#at
    for (let tries = 0; tries < waitsMax; tries++) {
      for (let spins = 0; spins < spinsMax; spins++) {
        if (Atomics.compareExchange(words, headerWord.lock, 0, 1) === 0) return true
      }
      Atomics.wait(words, headerWord.lock, 1, waitMs)
    }
    return false
  }

  #unlock(): void {
    Atomics.store(this.#at.words, headerWord.lock, 0)
    Atomics.notify(this.#at.words, headerWord.lock, 1)
  }
}

function originWords(origin: string): Int32Array {
  const digest = sha256(utf8(origin))
  return new Int32Array(digest.buffer, digest.byteOffset, 8)
}

function sameOrigin(words: Int32Array, record: number, name: Int32Array): boolean {
  for (let i = 0; i < 8; i++) if (words[record + i] !== name[i]) return false
  return true
}
