import type { ContinuedTrace } from './trace-context.ts'

/** Which traces are sampled. */
export interface TraceSampling {
  /** Of the traces that begin here, 0 to 1. */
  readonly share: number
  /** Of those that are not plainly verified and allowed, while an incident is open; never less than `share`. */
  readonly incidentShare: number
  /** Whether an incident is open. */
  readonly incident: () => boolean
}

/**
 * Decides which traces are sampled: the caller's word counts where a request brings a trace (parent-based); of those that begin
 * here a share is, drawn from the trace ID as OpenTelemetry's ratio sampler does, so that every point draws alike.
 *
 * The verdict is known before anything is forwarded, so it can count: while an incident is open, what is out of the ordinary is seen
 * whole.
 */
export class TraceSampler {
  readonly #incident: () => boolean
  readonly #bound: string
  readonly #incidentBound: string

  constructor({ share, incidentShare, incident }: TraceSampling) {
    this.#incident = incident
    this.#bound = boundOf(share)
    this.#incidentBound = boundOf(Math.max(share, incidentShare))
  }

  /** The trace with its flag. `isPlain`: verified and allowed. */
  decide(trace: ContinuedTrace, isPlain: boolean): ContinuedTrace {
    const { context, parentSpanId } = trace
    if (parentSpanId !== null || context.isSampled) return trace
    const isRaised = !isPlain && this.#incidentBound !== this.#bound && this.#incident()
    // The last 4 of the 7 bytes that Level 2 of Trace Context promises to be random. As texts of one length, hexadecimal
    // numbers sort by value: that is a comparison that mostly ends at the first character.
    const isSampled = context.traceId.slice(24) < (isRaised ? this.#incidentBound : this.#bound)
    return isSampled ? { context: { ...context, isSampled }, parentSpanId } : trace
  }
}

const draws = 2 ** 32

// What the samples of a share are below: 8 hexadecimal digits, or for all of them what is above any digit.
function boundOf(share: number): string {
  const bound = Math.ceil(Math.max(0, share) * draws)
  return bound >= draws ? 'g' : bound.toString(16).padStart(8, '0')
}
