import type { Clock } from '@quantum-ip/base'
import type { SignatureOptions } from '../verifier-options.ts'

/**
 * Who waits before whom:
 *
 * - 0: what the verifier itself asked for, heads and attestations; bounded by other budgets, and never shed
 * - 1 to 6: what callers bring, by the priority of the service, heads before JWTs: one head serves a thousand tokens
 * - 7: what can only show that a key is stolen, and helps nobody's request
 */
const classes = 8
const shedFrom = 1
/** The class of work for nobody's request. */
export const idleClass = 7

/** The class of a signature that a caller brought, by the priority of the service, 0 to 2. */
export function callerClass(priority: number, kind: 'head' | 'jwt'): number {
  return 1 + 2 * Math.min(2, Math.max(0, priority)) + (kind === 'head' ? 0 : 1)
}

interface Job {
  readonly start: () => void
  readonly shed: () => void
  readonly sinceMs: number
}

/**
 * Checks of signatures, a few at once, those that matter more first; too many are shed.
 *
 * The thread pool is one for the whole process, first in first out, and its threads are as many as the machine has
 * cores for: without a bound in front of it, a thousand forged JWTs stand before the one head that a thousand good
 * tokens wait for, before names that are looked up and files that are written, and take the processor from the thread that
 * verifies tokens whose heads are held.
 */
export class SignatureQueue {
  readonly #limits: { readonly [Name in keyof Required<SignatureOptions>]: number }
  readonly #clock: Clock
  readonly #waiting: Job[][] = Array.from({ length: classes }, () => [])
  #size = 0
  #running = 0

  /** @throws {TypeError} for a limit below zero, or no check at once. */
  constructor({ atOnce = 2, waitingMax = 256, waitMsMax = 250 }: SignatureOptions, clock: Clock) {
    if (!(atOnce >= 1 && waitingMax >= 0 && waitMsMax >= 0)) {
      throw new TypeError('a limit of the checks of signatures is out of its range')
    }
    this.#limits = { atOnce, waitingMax, waitMsMax }
    this.#clock = clock
  }

  /** Checks that wait. */
  get size(): number {
    return this.#size
  }

  /** Runs a check when it is its turn; `shed` if there are too many, or it waited too long. */
  async run<T>(place: number, check: () => Promise<T>): Promise<T | 'shed'> {
    const turn = this.#running < this.#limits.atOnce ? this.#begin() : await this.#wait(place)
    if (turn === 'shed') return 'shed'
    try {
      return await check()
    } finally {
      this.#running--
      this.#next()
    }
  }

  #begin(): 'turn' {
    this.#running++
    return 'turn'
  }

  #wait(place: number): Promise<'turn' | 'shed'> {
    if (place >= shedFrom && this.#size >= this.#limits.waitingMax && !this.#makeRoom(place)) {
      return Promise.resolve('shed')
    }
    return new Promise((resolve) => {
      this.#size++
      this.#waiting[place]?.push({
        start: () => resolve(this.#begin()),
        shed: () => resolve('shed'),
        sinceMs: this.#clock.now(),
      })
    })
  }

  // The newest of those that matter least gives way, if it matters less.
  #makeRoom(place: number): boolean {
    for (let other = classes - 1; other > place; other--) {
      const job = this.#waiting[other]?.pop()
      if (job === undefined) continue
      this.#size--
      job.shed()
      return true
    }
    return false
  }

  #next(): void {
    for (const [place, waiting] of this.#waiting.entries()) {
      while (waiting.length > 0 && this.#running < this.#limits.atOnce) {
        const job = waiting.shift() as Job
        this.#size--
        if (place >= shedFrom && this.#clock.now() - job.sinceMs > this.#limits.waitMsMax) job.shed()
        else job.start()
      }
    }
  }
}
