import type { ObservedState, OneTimeUse, ReplayGuard, ReplayOutcome } from '@quantum-ip/verifier'

/** A guard whose answers are there at once: the memory of one instance. */
export interface LocalGuard extends ReplayGuard {
  consume(use: OneTimeUse): ReplayOutcome
}

/** The two guards of a {@link FallbackGuard}. */
export interface FallbackGuards {
  readonly shared: ReplayGuard
  readonly local: LocalGuard
}

/**
 * Fails open to this instance's own memory where the shared one is away: `onUnavailable: local`.
 *
 * Both see every token, so that what this instance took during an outage, or shortly before, does not pass here again. Another
 * instance may take it once more: then the outcome is `fresh_here`, which shows in the verdict, the decision record and a metric.
 */
export class FallbackGuard implements ReplayGuard {
  readonly scope = 'shared'
  readonly #shared: ReplayGuard
  readonly #local: LocalGuard

  constructor({ shared, local }: FallbackGuards) {
    this.#shared = shared
    this.#local = local
  }

  consume(use: OneTimeUse): ReplayOutcome | Promise<ReplayOutcome> {
    const here = this.#local.consume(use)
    if (here === 'replayed' || here === 'retry') return here
    const everywhere = this.#shared.consume(use)
    if (typeof everywhere === 'string') return either(everywhere, here)
    return everywhere.then(
      (outcome) => either(outcome, here),
      () => either('unavailable', here),
    )
  }

  observe(state: ObservedState): void {
    this.#local.observe(state)
    this.#shared.observe(state)
  }

  ready(): boolean {
    return this.#local.ready() || this.#shared.ready()
  }
}

function either(everywhere: ReplayOutcome, here: ReplayOutcome): ReplayOutcome {
  if (everywhere !== 'unavailable') return everywhere
  return here === 'fresh' ? 'fresh_here' : 'unavailable'
}
