import type { MeasuredVerification, Span } from './span.ts'
import { pathPlaces, reasonPlaces } from './closed-sets.ts'
import type { MetricName } from './metric-table.ts'
import type { Counter, Histogram, Metrics } from './metrics.ts'

/** A trace in which one value of a series can be looked at. */
export interface Exemplar {
  readonly traceId: string
  readonly spanId: string
  /** What was counted or observed. */
  readonly value: number
  /** Milliseconds since 1970. */
  readonly timeMs: number
}

/**
 * The newest exemplar of each series of a counter, and of each bucket of a histogram.
 *
 * They are taken from the spans of sampled traces after these were handed over, so that a verification pays nothing for them;
 * there are never more than there are series.
 */
export class Exemplars {
  readonly #durations: Histogram
  readonly #durationBase: number
  readonly #verifications: Counter
  readonly #pointPlace: number
  readonly #servicePlace: (service: string) => number
  readonly #byMetric = new Map<MetricName, Map<number, Exemplar>>()

  /** @throws {TypeError} if the metrics of verifications are not registered, or no point of this name. */
  constructor(metrics: Metrics, point: string) {
    this.#durations = metrics.histogram('verification_duration_seconds')
    this.#durationBase = this.#durations.series([this.#durations.places(0)(point), 0])
    this.#verifications = metrics.counter('verifications_total')
    this.#servicePlace = this.#verifications.places(0)
    this.#pointPlace = this.#verifications.places(1)(point)
  }

  /** Takes the trace of a span as the exemplar of what was measured in it. */
  take({ context, endMs, measured }: Span): void {
    if (measured === undefined || !context.isSampled) return
    const { traceId, spanId } = context
    const value = measured.durationMs / 1_000
    this.#set('verification_duration_seconds', this.#bucketOf(measured, value), {
      traceId,
      spanId,
      value,
      timeMs: endMs,
    })
    this.#set('verifications_total', this.#seriesOf(measured), { traceId, spanId, value: 1, timeMs: endMs })
  }

  /** The exemplar of a series; of a histogram, of the bucket with this place. */
  find(name: MetricName, series: number, bucket?: number): Exemplar | undefined {
    const found = this.#byMetric.get(name)
    if (found === undefined) return undefined
    return found.get(bucket === undefined ? series : series * this.#durations.width + bucket)
  }

  #set(name: MetricName, at: number, exemplar: Exemplar): void {
    const found = this.#byMetric.get(name) ?? new Map<number, Exemplar>()
    this.#byMetric.set(name, found.set(at, exemplar))
  }

  #bucketOf({ path }: MeasuredVerification, value: number): number {
    const durations = this.#durations
    return (this.#durationBase + pathPlaces[path]) * durations.width + durations.bucketOf(value)
  }

  #seriesOf({ service, reason }: MeasuredVerification): number {
    return this.#verifications.series([
      this.#servicePlace(service),
      this.#pointPlace,
      0,
      reasonPlaces[reason],
    ])
  }
}
