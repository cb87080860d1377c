import type { Quarantine } from '@quantum-ip/policy'

/** What a service has been asked so far: what shares are shares of. */
export interface ServiceLoad {
  requests: number
}

/** How much of a service quarantined requests get. Admit, and leave once for each admission. */
export interface QuarantineLimiter {
  /** Whether one more may go through now. */
  admit(nowMs: number): boolean
  leave(): void
}

/** Requests that may be saved up: a service that is rarely asked still answers a few in a row. */
const burstMax = 10

/**
 * Limits quarantined requests to a rate and a number at once, or to a share of what the service is asked.
 *
 * @throws {TypeError} for a quarantine upstream, which is not limited here.
 */
export function quarantineLimiter(
  quarantine: Quarantine,
  load: ServiceLoad,
  concurrency: number,
): QuarantineLimiter {
  switch (quarantine.kind) {
    case 'limit':
      return new Limiter(quarantine.concurrency, rateCredit(quarantine.ratePerS))
    case 'share':
      return new Limiter(concurrency, shareCredit(quarantine.percent, load))
    case 'upstream':
      throw new TypeError('a quarantine upstream is not limited')
  }
}

class Limiter implements QuarantineLimiter {
  readonly #concurrency: number
  readonly #earned: (nowMs: number) => number
  #credit = 1
  #inFlight = 0

  constructor(concurrency: number, earned: (nowMs: number) => number) {
    this.#concurrency = concurrency
    this.#earned = earned
  }

  admit(nowMs: number): boolean {
    this.#credit = Math.min(burstMax, this.#credit + this.#earned(nowMs))
    if (this.#credit < 1 || this.#inFlight >= this.#concurrency) return false
    this.#credit -= 1
    this.#inFlight++
    return true
  }

  leave(): void {
    this.#inFlight--
  }
}

// What was earned since the last call.
function rateCredit(ratePerS: number): (nowMs: number) => number {
  let lastMs: number | undefined
  return (nowMs) => {
    const elapsedMs = Math.max(0, nowMs - (lastMs ?? nowMs))
    lastMs = nowMs
    return (elapsedMs / 1_000) * ratePerS
  }
}

function shareCredit(percent: number, load: ServiceLoad): () => number {
  let last = load.requests
  return () => {
    const asked = load.requests - last
    last = load.requests
    return (asked * percent) / 100
  }
}
