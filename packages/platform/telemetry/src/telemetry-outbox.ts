import type { Clock } from '@quantum-ip/base'
import type { DecisionRecord, SuppressionRecord } from './decision-record.ts'
import type { ExportObserver } from './export-observer.ts'
import type { Span, SpanExporter } from './span.ts'

/** What one thread hands over at once. */
export interface TelemetryBatch {
  readonly spans: readonly Span[]
  readonly records: readonly (DecisionRecord | SuppressionRecord)[]
}

/** Limits of an outbox. */
export interface OutboxOptions {
  readonly clock: Clock
  readonly observer: ExportObserver
  /** Spans, and records, that wait at once. */
  readonly queueMax: number
  /** Spans per second. Callers choose whether their traces are sampled, so something else must choose how many. */
  readonly spansPerSecondMax: number
}

/**
 * Where the spans and records of one thread wait to be sent: bounded, without I/O, never in the way of a request. What has no room
 * is dropped and counted.
 */
export class TelemetryOutbox implements SpanExporter {
  readonly #options: OutboxOptions
  #spans: Span[] = []
  #records: (DecisionRecord | SuppressionRecord)[] = []
  #second = 0
  #inSecond = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  export(span: Span): void {
    const { clock, observer, queueMax, spansPerSecondMax } = this.#options
    const second = Math.floor(clock.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#inSecond = 0
    }
    if (this.#inSecond >= spansPerSecondMax) observer.count('traces', 'over_rate')
    else if (this.#spans.length >= queueMax) observer.count('traces', 'queue_full')
    else {
      this.#inSecond += 1
      this.#spans.push(span)
    }
  }

  record(record: DecisionRecord | SuppressionRecord): void {
    const { observer, queueMax } = this.#options
    if (this.#records.length >= queueMax) observer.count('logs', 'queue_full')
    else this.#records.push(record)
  }

  /** Takes out what waits; `undefined` if nothing does. */
  drain(): TelemetryBatch | undefined {
    if (this.#spans.length === 0 && this.#records.length === 0) return undefined
    const batch = { spans: this.#spans, records: this.#records }
    this.#spans = []
    this.#records = []
    return batch
  }
}
