import type { Quarantine } from '@quantum-ip/policy'

/** Quarantined requests in flight, where the policy gives a share. */
const inFlightDefault = 10
/** Requests that may be saved up: a service that is rarely asked still answers a few in a row. */
const burstMax = 10

/**
 * Limits quarantined requests to a rate and a number at once, or to a share of all requests, as the gateway does; for one process.
 *
 * A quarantine upstream is no place that a process could send anything to: it admits nothing.
 */
export class QuarantineLimiter {
  readonly #each: number
  readonly #inFlightMax: number
  readonly #isShare: boolean
  #inFlight = 0
  #credit: number
  #lastEarned: number | undefined

  constructor(quarantine: Quarantine) {
    this.#isShare = quarantine.kind === 'share'
    switch (quarantine.kind) {
      case 'limit':
        this.#each = 1_000 / quarantine.ratePerS
        this.#inFlightMax = quarantine.concurrency
        break
      case 'share':
        this.#each = 100 / quarantine.percent
        this.#inFlightMax = inFlightDefault
        break
      case 'upstream':
        this.#each = Number.POSITIVE_INFINITY
        this.#inFlightMax = 0
        break
    }
    this.#credit = burstMax
  }

  /** Whether one more may go on. Each that may must {@link leave}. */
  admit(nowMs: number, requests: number): boolean {
    if (this.#inFlight >= this.#inFlightMax) return false
    const earned = this.#isShare ? requests : nowMs
    const gained = Math.max(0, earned - (this.#lastEarned ?? earned)) / this.#each
    this.#lastEarned = earned
    this.#credit = Math.min(burstMax, this.#credit + gained)
    if (this.#credit < 1) return false
    this.#credit -= 1
    this.#inFlight += 1
    return true
  }

  leave(): void {
    this.#inFlight -= 1
  }
}
