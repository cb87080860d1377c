import { type CodedError, isQipError } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent } from '../follower-events.ts'
import { requestJson } from '../read-answer.ts'
import type { Session } from '../session.ts'
import { jittered } from './backoff.ts'
import { Doorbell } from './doorbell.ts'
import { wait } from './wait.ts'

/** What an acknowledger works with. */
export interface AcknowledgerOptions {
  readonly session: Session
  readonly store: TrustStore
  /** Who this is. */
  readonly fleet: { readonly point: string; readonly region?: string }
  readonly acknowledgeMs: number
  readonly report: (event: FollowerEvent) => void
}

/** After a revocation or new keys, so soon at most: somebody waits to see who has them. */
const soonMs = 250
/** And then not again before: in a storm of revocations a hundred members must not cost the authority more than the states do. */
const againMs = 1_000

/** Tells the authority which state is held here (`POST /v1/fleet/acknowledgements`): what key rotation waits for. */
export class Acknowledger {
  readonly #options: AcknowledgerOptions
  readonly #doorbell = new Doorbell()
  readonly #unsubscribe: () => void
  #seq: number | undefined
  /** When the newest revocation took effect here; `undefined` for those that were there from the start. */
  #epochAt: { readonly epoch: number; readonly atMs: number } | undefined

  constructor(options: AcknowledgerOptions) {
    this.#options = options
    const ring = () => this.#doorbell.ring()
    this.#unsubscribe = options.store.subscribe({
      onEpoch: (epoch) => {
        this.#epochAt = { epoch, atMs: performance.now() }
        ring()
      },
      onBundle: ring,
    })
  }

  /** The sequence that was acknowledged last. */
  get seq(): number | undefined {
    return this.#seq
  }

  close(): void {
    this.#unsubscribe()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { acknowledgeMs } = this.#options
    let lastMs = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      await this.#doorbell.wait(jittered(acknowledgeMs, 0.2), signal)
      const soon = jittered(Math.min(soonMs, acknowledgeMs), 1)
      const restMs = lastMs + Math.min(againMs, acknowledgeMs) - performance.now()
      await wait(Math.max(soon, restMs), signal)
      lastMs = performance.now()
      if (!signal.aborted) await this.#acknowledge(signal)
    }
  }

  #age(epoch: number): { readonly epochAgeMs?: number } {
    const at = this.#epochAt
    if (at === undefined || at.epoch !== epoch) return {}
    return { epochAgeMs: Math.round(performance.now() - at.atMs) }
  }

  async #acknowledge(signal: AbortSignal): Promise<void> {
    const { session, store, fleet, report } = this.#options
    const { state, bundle, epoch } = store
    if (state === undefined || bundle === undefined || state.seq === this.#seq) return
    try {
      await requestJson(session, {
        operation: 'an acknowledgement',
        method: 'POST',
        target: '/v1/fleet/acknowledgements',
        json: { seq: state.seq, epoch, bundleSequence: bundle.sequence, ...this.#age(epoch), ...fleet },
        signal,
      })
      this.#seq = state.seq
    } catch (error) {
      if (!signal.aborted && isQipError(error)) {
        report({ kind: 'acknowledgement_failed', error: error satisfies CodedError })
      }
    }
  }
}
