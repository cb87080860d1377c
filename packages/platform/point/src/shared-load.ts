import { createHash } from 'node:crypto'

/** Names that one process can count by. */
const slotsMax = 2_048
/** Look-ups of a slot before the table counts as full. */
const probesMax = 64

/*
 * The memory, in this order: for each slot
 *
 *   int64 name       the first 8 bytes of the name's SHA-256, 0 for a free slot
 *   int64 credit     see `takeCredit`
 *   int32 value      what is counted
 *
 * and then for each thread and slot
 *
 *   int32 held       this thread's part of `value`
 */
const nameBytes = 8 * slotsMax
const creditBytes = 8 * slotsMax
const valueBytes = 4 * slotsMax
const sharedBytes = nameBytes + creditBytes + valueBytes

/** Memory in which the threads of one process count together. */
export function allocateLoadMemory(options: { readonly threads: number }): SharedArrayBuffer {
  return new SharedArrayBuffer(sharedBytes + 4 * slotsMax * options.threads)
}

/** A number that all threads of a process see. Every {@link enter} is followed by one {@link leave}, of the same thread. */
export interface LoadCounter {
  readonly value: number
  /** Counts one, unless `max` are counted already. */
  enter(max: number): boolean
  leave(): void
  /** Counts one for ever. What is only counted is never entered. It begins anew after 2³². */
  count(): void
}

/** Credit that all threads of a process spend together. */
export interface LoadCredit {
  /**
   * Takes one, if there is one: one is earned per `each` of `now`, and at most `burst` are saved up; the first is there from the
   * start. `now` is anything that only grows: a time, a count. Where it goes back, nothing is earned.
   */
  take(now: number, rate: { readonly each: number; readonly burst: number }): boolean
}

/** Counts by name over the threads of one process, without locks. */
export class SharedLoad {
  readonly #names: BigInt64Array
  readonly #credits: BigInt64Array
  readonly #values: Int32Array
  readonly #held: Int32Array

  /** `thread` counts from 0; its cells are its own. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    const heldAt = sharedBytes + 4 * slotsMax * thread
    if (memory.byteLength < heldAt + 4 * slotsMax) throw new TypeError('the memory is for fewer threads')
    this.#names = new BigInt64Array(memory, 0, slotsMax)
    this.#credits = new BigInt64Array(memory, nameBytes, slotsMax)
    this.#values = new Int32Array(memory, nameBytes + creditBytes, slotsMax)
    this.#held = new Int32Array(memory, heldAt, slotsMax)
  }

  /** The counter of this name: the same in all threads. */
  counter(name: string): LoadCounter {
    return new SlotCounter(this.#values, this.#held, this.#slot(name))
  }

  /** The credit of this name: the same in all threads. */
  credit(name: string): LoadCredit {
    return new SlotCredit(this.#credits, this.#slot(name))
  }

  /** Gives back what this thread has counted: it ended without leaving. */
  abandon(): void {
    for (let slot = 0; slot < slotsMax; slot++) {
      const held = Atomics.exchange(this.#held, slot, 0)
      if (held !== 0) Atomics.sub(this.#values, slot, held)
    }
  }

  // Open addressing. A slot is never given up: names are those of services, upstreams and rules, and few.
  #slot(name: string): number {
    const digest = createHash('sha256').update(name).digest()
    const key = digest.readBigInt64BE(0) || 1n
    const start = digest.readUInt32BE(8)
    for (let probe = 0; probe < probesMax; probe++) {
      const slot = (start + probe) % slotsMax
      const found = Atomics.compareExchange(this.#names, slot, 0n, key)
      if (found === 0n || found === key) return slot
    }
    // Full: it shares a slot with another name, and limits are reached sooner than they should be, never later.
    return start % slotsMax
  }
}

class SlotCounter implements LoadCounter {
  readonly #values: Int32Array
  readonly #held: Int32Array
  readonly #slot: number

  // oxlint-disable-next-line max-params -- made once for each name, next to where it is used
  constructor(values: Int32Array, held: Int32Array, slot: number) {
    this.#values = values
    this.#held = held
    this.#slot = slot
  }

  get value(): number {
    return Atomics.load(this.#values, this.#slot) >>> 0
  }

  count(): void {
    Atomics.add(this.#values, this.#slot, 1)
  }

  enter(max: number): boolean {
    // INVARIANT: added first and taken back if it was too much, so that two threads never both take the last place.
    if (Atomics.add(this.#values, this.#slot, 1) >= max) {
      Atomics.sub(this.#values, this.#slot, 1)
      return false
    }
    this.#held[this.#slot] = (this.#held[this.#slot] ?? 0) + 1
    return true
  }

  leave(): void {
    this.#held[this.#slot] = (this.#held[this.#slot] ?? 0) - 1
    Atomics.sub(this.#values, this.#slot, 1)
  }
}

const unitsPerCredit = 1_000
/** So far back goes no clock: a count has begun anew. */
const begunAnew = 2 ** 31 * unitsPerCredit

class SlotCredit implements LoadCredit {
  readonly #credits: BigInt64Array
  readonly #slot: number

  constructor(credits: BigInt64Array, slot: number) {
    this.#credits = credits
    this.#slot = slot
  }

  /** The generic cell rate algorithm (ITU-T I.371): one number, the time up to which everything is spent. */
  take(now: number, { each, burst }: { readonly each: number; readonly burst: number }): boolean {
    const at = Math.round(now * unitsPerCredit) + 1
    const step = Math.max(1, Math.round(each * unitsPerCredit))
    for (;;) {
      const held = Atomics.load(this.#credits, this.#slot)
      const known = held !== 0n && Number(held) - at < begunAnew
      const spent = known ? Number(held) : at + (burst - 1) * step
      if (spent - at > (burst - 1) * step) return false
      const next = BigInt(Math.max(spent, at) + step)
      if (Atomics.compareExchange(this.#credits, this.#slot, held, next) === held) return true
    }
  }
}
