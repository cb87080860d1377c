import { type Random, systemRandom } from '@quantum-ip/base'
import { HttpError } from './http-errors.ts'
import { type LoadPriority, loadPriorities } from './load/admission-level.ts'
import type { LoadShedder } from './load/load-shedder.ts'

/** What {@link Overload} takes. */
export interface OverloadOptions {
  /** Requests that may be in flight at once. */
  readonly inFlightMax: number
  /** Retry-After is drawn from 1 to this many seconds, so that those who were refused do not all come back at once. */
  readonly retryAfterMaxS: number
  /** Refuses also while this thread is late with its work, what matters least first. Default: only the count refuses. */
  readonly shedder?: LoadShedder
  readonly random?: Random
}

/** Counts requests in flight and refuses those that are too many, before anything was spent on them. */
export class Overload {
  readonly #options: OverloadOptions
  readonly #idle: (() => void)[] = []
  #inFlight = 0
  #refused = 0

  constructor(options: OverloadOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Requests refused so far. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Lets a request in. Whoever calls it calls {@link leave} once.
   *
   * @throws {HttpError} `QIP_HTTP_OVERLOADED` if the limit is reached, or the thread is late with its work.
   */
  enter(priority: LoadPriority): void {
    const { inFlightMax, shedder } = this.#options
    if (this.#inFlight >= inFlightMax || shedder?.admit(loadPriorities.indexOf(priority)) === false) {
      this.#refused++
      throw new HttpError('QIP_HTTP_OVERLOADED', { retryAfterS: this.retryAfterS() })
    }
    this.#inFlight++
  }

  leave(): void {
    this.#inFlight--
    if (this.#inFlight === 0) for (const tell of this.#idle.splice(0)) tell()
  }

  /** Resolves when no request is in flight. */
  async whenIdle(): Promise<void> {
    if (this.#inFlight === 0) return
    return await new Promise((resolve) => {
      this.#idle.push(resolve)
    })
  }

  retryAfterS(): number {
    const { retryAfterMaxS, random = systemRandom } = this.#options
    const [draw = 0] = random.bytes(1)
    return 1 + Math.floor((draw / 256) * retryAfterMaxS)
  }
}
