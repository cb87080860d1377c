import type { Quarantine } from '@quantum-ip/policy'
import type { LoadCounter, LoadCredit, SharedLoad } from './shared-load.ts'

/** How much of a service quarantined requests get. Admit, and leave once for each admission. */
export interface QuarantineLimiter {
  /** Whether one more may go through now. */
  admit(nowMs: number): boolean
  leave(): void
}

/** What a service has been asked so far: what shares are shares of. */
export interface ServiceLoad {
  readonly value: number
}

/** What a limiter counts in. */
export interface QuarantinePlace {
  readonly shared: SharedLoad
  /** Of the limiter: the same in all threads of the process. */
  readonly name: string
  readonly load: ServiceLoad
}

/** Requests that may be saved up: a service that is rarely asked still answers a few in a row. */
const burstMax = 10

/**
 * Limits quarantined requests to a rate and a number at once, or to a share of what the service is asked; over all threads
 * of the process together.
 *
 * @throws {TypeError} for a quarantine upstream, which is not limited here.
 */
export function quarantineLimiter(
  quarantine: Quarantine,
  concurrency: number,
  place: QuarantinePlace,
): QuarantineLimiter {
  const { shared, name, load } = place
  const parts = { inFlight: shared.counter(`${name} in flight`), credit: shared.credit(`${name} credit`) }
  switch (quarantine.kind) {
    case 'limit':
      return new Limiter({
        ...parts,
        concurrency: quarantine.concurrency,
        each: 1_000 / quarantine.ratePerS,
        now: (nowMs) => nowMs,
      })
    case 'share':
      return new Limiter({
        ...parts,
        concurrency,
        each: 100 / quarantine.percent,
        now: () => load.value,
      })
    case 'upstream':
      throw new TypeError('a quarantine upstream is not limited')
  }
}

interface LimiterParts {
  readonly inFlight: LoadCounter
  readonly credit: LoadCredit
  readonly concurrency: number
  /** How much of `now` earns one request. */
  readonly each: number
  /** What credit is earned with: the time, or the number of requests. */
  readonly now: (nowMs: number) => number
}

class Limiter implements QuarantineLimiter {
  readonly #parts: LimiterParts

  constructor(parts: LimiterParts) {
    this.#parts = parts
  }

  admit(nowMs: number): boolean {
    const { inFlight, credit, concurrency, each, now } = this.#parts
    if (!inFlight.enter(concurrency)) return false
    if (credit.take(now(nowMs), { each, burst: burstMax })) return true
    inFlight.leave()
    return false
  }

  leave(): void {
    this.#parts.inFlight.leave()
  }
}
