import type { Config } from '@quantum-ip/http'
import { Exemplars, type Metrics, type MetricsPage, metricsPage } from '@quantum-ip/telemetry'
import { registerMetrics } from './register-metrics.ts'

/** What one process measures, whichever parts run in it. */
export class ProcessTelemetry {
  readonly metrics: Metrics
  readonly exemplars: Exemplars
  readonly #sources: (() => readonly Float64Array[])[] = []

  constructor(config: Config) {
    this.metrics = registerMetrics(config)
    this.exemplars = new Exemplars(this.metrics, config.gateway.name)
  }

  /** Before metrics are read, `refresh` sets gauges to what is true now; it returns the cells of other threads. */
  onRead(refresh: () => readonly Float64Array[] | void): void {
    this.#sources.push(() => refresh() ?? [])
  }

  /** Sets all gauges; returns the cells of other threads. */
  refresh(): readonly Float64Array[] {
    return this.#sources.flatMap((refresh) => refresh())
  }

  /** What a scrape with this `Accept` field is answered. */
  page(accept: string | undefined): MetricsPage {
    return metricsPage({ metrics: this.metrics, others: this.refresh(), exemplars: this.exemplars }, accept)
  }
}
