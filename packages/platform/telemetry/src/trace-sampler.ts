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
  readonly #sampling: TraceSampling

  constructor(sampling: TraceSampling) {
    this.#sampling = sampling
  }

  /** The trace with its flag. `isPlain`: verified and allowed. */
  decide(trace: ContinuedTrace, isPlain: boolean): ContinuedTrace {
    const { context, parentSpanId } = trace
    if (parentSpanId !== null || context.isSampled) return trace
    const { share, incidentShare, incident } = this.#sampling
    const wanted = isPlain || incidentShare <= share || !incident() ? share : incidentShare
    if (wanted === 0 || !isBelow(context.traceId, wanted)) return trace
    return { context: { ...context, isSampled: true }, parentSpanId }
  }
}

const draws = 2 ** 32

// The last 4 of the 7 bytes that Level 2 of Trace Context promises to be random.
function isBelow(traceId: string, share: number): boolean {
  return share >= 1 || Number.parseInt(traceId.slice(24), 16) < share * draws
}
