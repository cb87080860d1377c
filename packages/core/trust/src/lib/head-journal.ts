import type { Envelope } from '@quantum-ip/crypto'
import type { HeadRecord } from '../head-record.ts'

/** A signed state, and what was listed from it up to the next base. */
interface Base {
  /** Absent for the very beginning, before any head. */
  readonly state: Envelope | undefined
  readonly timeMs: number
  /** How many heads the journal had seen when the state was applied. */
  readonly seen: number
  /** The largest `exp` listed since. */
  lastsUntil: number
}

/** What a restart needs to hold the same heads again, proven by two signed states. */
export interface JournalExcerpt {
  readonly base: Envelope | undefined
  readonly heads: readonly HeadRecord[]
}

const baseIntervalMs = 60_000

/**
 * The heads that were listed since a signed state that is kept with them, in order: they are not signed themselves, and
 * only the chain from that state to the newest proves them.
 *
 * Every minute's state becomes a base; when all heads before the second base have expired, the first one goes.
 */
export class HeadJournal {
  readonly #limit: number
  #bases: Base[] = []
  #heads: HeadRecord[] = []
  /** How many heads were seen and dropped from the front. */
  #gone = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Begins anew with a state whose heads do not continue what is here; or at the very beginning, with none. */
  restart(state: Envelope | undefined, timeMs: number): void {
    this.#heads = []
    this.#gone = 0
    this.#bases = [{ state, timeMs, seen: 0, lastsUntil: 0 }]
  }

  /** Takes in what was listed since the last call, up to and with `state`. */
  append(heads: readonly HeadRecord[], state: Envelope, timeMs: number): void {
    const base = this.#bases.at(-1)
    if (base === undefined) throw new TypeError('the journal has not begun')
    for (const head of heads) {
      this.#heads.push(head)
      base.lastsUntil = Math.max(base.lastsUntil, head.exp)
    }
    if (timeMs - base.timeMs >= baseIntervalMs) {
      this.#bases.push({ state, timeMs, seen: this.#gone + this.#heads.length, lastsUntil: 0 })
    }
    if (this.#bases.length === 1 && this.#heads.length > this.#limit) this.restart(state, timeMs)
  }

  /** Drops what expired before `timeS`, and above the limit the oldest. */
  prune(timeS: number): void {
    for (;;) {
      const [first, second] = this.#bases
      if (first === undefined || second === undefined) return
      if (first.lastsUntil >= timeS && this.#heads.length <= this.#limit) return
      this.#heads.splice(0, second.seen - this.#gone)
      this.#gone = second.seen
      this.#bases.shift()
    }
  }

  excerpt(): JournalExcerpt {
    return { base: this.#bases[0]?.state, heads: this.#heads }
  }
}
