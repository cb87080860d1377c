import type { Decision, Quarantine } from '@quantum-ip/policy'
import { problemAnswer } from './problem.ts'
import { type QuarantineLimiter, quarantineLimiter } from './quarantine-limiter.ts'
import type { LoadCounter, SharedLoad } from './shared-load.ts'

/** The service for which a request is quarantined. */
export interface QuarantinedService {
  readonly service: string
  /** How often it was asked: what shares are shares of. */
  readonly load: LoadCounter
}

/** The limiters of quarantines, each made when it is first needed. A policy that is replaced takes its own with it. */
export class QuarantineLimiters {
  readonly #concurrency: number
  readonly #shared: SharedLoad
  readonly #limiters = new WeakMap<Quarantine, Map<LoadCounter, QuarantineLimiter>>()

  /** `concurrency` limits the number at once where the policy gives a share. */
  constructor(concurrency: number, shared: SharedLoad) {
    this.#concurrency = concurrency
    this.#shared = shared
  }

  /**
   * Whether one more request that `decision` puts into quarantine may go on: the limiter to leave when it is over, or `undefined`. A
   * quarantine upstream is no place here, and admits nobody.
   */
  admit(decision: Decision, to: QuarantinedService, nowMs: number): QuarantineLimiter | undefined {
    const { quarantine } = decision
    if (quarantine === null || quarantine.kind === 'upstream') return undefined
    const limiter = this.#for(decision, quarantine, to)
    return limiter.admit(nowMs) ? limiter : undefined
  }

  #for(decision: Decision, quarantine: Quarantine, { service, load }: QuarantinedService): QuarantineLimiter {
    let byService = this.#limiters.get(quarantine)
    if (byService === undefined) this.#limiters.set(quarantine, (byService = new Map()))
    const known = byService.get(load)
    if (known !== undefined) return known
    // The same in all threads: each has its own copy of the policy.
    const { policy, rule, exception } = decision
    const named = [policy.name, policy.version, exception?.name ?? null, rule, quarantine, service]
    const limiter = quarantineLimiter(quarantine, this.#concurrency, {
      shared: this.#shared,
      name: `quarantine ${JSON.stringify(named)}`,
      load,
    })
    byService.set(load, limiter)
    return limiter
  }
}

/** The answer to a quarantined request that is not admitted. */
export function quarantineFullAnswer() {
  return problemAnswer(quarantineFull)
}

const quarantineFull = {
  status: 503,
  title: 'quarantined calls get a small share of this service, and it is used up',
  code: 'quarantine_full',
}
