import { type CodedError, isQipError, type Json, type JsonObject } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent } from '../follower-events.ts'
import type { MemberKind, VerifyProbe } from '../follower-options.ts'
import { AnswerReader, requestJson } from '../read-answer.ts'
import type { Session } from '../session.ts'
import { jittered } from './backoff.ts'
import { Doorbell } from './doorbell.ts'
import { wait } from './wait.ts'

/** What an acknowledger works with. */
export interface AcknowledgerOptions {
  readonly session: Pick<Session, 'request' | 'stream'>
  readonly store: TrustStore
  /** Who this is. */
  readonly fleet: { readonly point: string; readonly kind?: MemberKind; readonly region?: string }
  readonly verifyProbe: VerifyProbe | undefined
  /** What is held besides the trust state. */
  readonly held: (() => JsonObject) | undefined
  readonly acknowledgeMs: number
  readonly report: (event: FollowerEvent) => void
}

/** After a revocation or new keys, so soon at most: somebody waits to see who has them. */
const soonMs = 250
/** And then not again before: in a storm of revocations a hundred members must not cost the authority more than the states do. */
const againMs = 1_000

/** Stopping waits no longer for the authority. */
const leaveMs = 1_000

const operation = 'an acknowledgement'

interface ProbeReport {
  readonly id: string
  readonly reason: string
}

/**
 * Tells the authority which state is held here (`POST /v1/fleet/acknowledgements`): what key rotation waits for. The authority may
 * answer with a probe, a token under the next key; what the verifier here says of it goes back with the next acknowledgement.
 */
export class Acknowledger {
  readonly #options: AcknowledgerOptions
  readonly #doorbell = new Doorbell()
  readonly #unsubscribe: () => void
  #seq: number | undefined
  /** When the newest revocation took effect here; `undefined` for those that were there from the start. */
  #epochAt: { readonly epoch: number; readonly atMs: number } | undefined
  /** What was found out, and whether the authority knows. */
  #probe: ProbeReport | undefined
  #isNews = false

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

  /** Says that this member stops, so that no rotation waits for it; one that cannot say so leaves with its lease. */
  async close(): Promise<void> {
    this.#unsubscribe()
    if (this.#seq === undefined) return
    const { session, fleet } = this.#options
    await requestJson(session, {
      operation: 'a departure',
      method: 'POST',
      target: '/v1/fleet/departures',
      json: { point: fleet.point },
      signal: AbortSignal.timeout(leaveMs),
    }).catch(() => undefined)
  }

  /** Something else is held than was acknowledged. */
  ring(): void {
    this.#isNews = true
    this.#doorbell.ring()
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
    const { session, store, fleet, report, verifyProbe, held } = this.#options
    const { state, bundle, epoch } = store
    if (state === undefined || bundle === undefined) return
    if (state.seq === this.#seq && !this.#isNews) return
    const probe = this.#probe
    this.#isNews = false
    try {
      const answer = await requestJson(session, {
        operation,
        method: 'POST',
        target: '/v1/fleet/acknowledgements',
        json: {
          seq: state.seq,
          epoch,
          bundleSequence: bundle.sequence,
          ...this.#age(epoch),
          ...fleet,
          ...(verifyProbe !== undefined && { probes: true }),
          ...(probe !== undefined && { probe }),
          ...held?.(),
        },
        signal,
      })
      this.#seq = state.seq
      if (verifyProbe !== undefined && answer !== undefined) await this.#verifyProbe(answer, verifyProbe)
    } catch (error) {
      this.#isNews = true
      if (!signal.aborted && isQipError(error)) {
        report({ kind: 'acknowledgement_failed', error: error satisfies CodedError })
      }
    }
  }

  /** The same verdict a second time waits for the next acknowledgement: what is missing here is not there sooner. */
  async #verifyProbe(answer: Json, verifyProbe: VerifyProbe): Promise<void> {
    const whole = new AnswerReader(answer, operation)
    if (!whole.has('probe')) return
    const asked = whole.object('probe')
    const id = asked.text('id')
    const reason = await verifyProbe({ token: asked.text('token'), audience: asked.text('audience') })
    const isRepeated = this.#probe?.id === id && this.#probe.reason === reason
    this.#probe = { id, reason }
    if (isRepeated) return
    this.ring()
  }
}
