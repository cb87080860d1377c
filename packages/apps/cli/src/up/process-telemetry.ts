import type { JsonObject } from '@quantum-ip/base'
import type { Config } from '@quantum-ip/http'
import { Exemplars, type Metrics, type MetricsPage, metricsPage } from '@quantum-ip/telemetry'
import { registerMetrics } from './register-metrics.ts'

/** What one process measures, whichever parts run in it. */
export class ProcessTelemetry {
  readonly metrics: Metrics
  readonly exemplars: Exemplars
  #levels: (() => JsonObject) | undefined
  readonly #sources: (() => readonly Float64Array[])[] = []

  constructor(config: Config) {
    this.metrics = registerMetrics(config)
    this.exemplars = new Exemplars(this.metrics, config.gateway.name)
  }

  /** Says what service levels this process counts. */
  onLevels(report: () => JsonObject): void {
    this.#levels = report
  }

  /** What this process has counted of the service levels; nothing where it does not count. */
  levels(): JsonObject {
    return this.#levels?.() ?? { levels: [] }
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
