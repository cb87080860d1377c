import type { Clock } from '@quantum-ip/base'
import { backoffMs } from './backoff.ts'

const backoff = { firstMs: 100, maxMs: 2_000 }

/**
 * Remembers a failure for a moment, so that whoever needs an answer at once is refused at once, too, and does not ask an authority
 * that is away a thousand times a second.
 */
export class FailFast {
  readonly #clock: Clock
  #failures = 0
  #untilMs = 0
  #error: unknown

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws the last failure while it is fresh. */
  check(): void {
    const now = this.#clock.now()
    // A clock that was set back must not hold anybody up.
    if (now < this.#untilMs && this.#untilMs - now <= backoff.maxMs) throw this.#error
  }

  failed(error: unknown): void {
    this.#failures++
    this.#error = error
    this.#untilMs = this.#clock.now() + backoffMs(backoff, this.#failures)
  }

  succeeded(): void {
    this.#failures = 0
    this.#untilMs = 0
    this.#error = undefined
  }
}
