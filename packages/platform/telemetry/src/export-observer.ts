import { exportOutcomePlaces, type ExportOutcome, signalPlaces, type TelemetrySignal } from './closed-sets.ts'
import type { Metrics } from './metrics.ts'

/** Hears what became of telemetry that is sent away. */
export interface ExportObserver {
  count(signal: TelemetrySignal, outcome: ExportOutcome, items?: number): void
}

/**
 * Counts what became of telemetry that is sent away, into {@link otlpMetrics}.
 *
 * @throws {TypeError} if the metric is not registered.
 */
export function exportObserver(metrics: Metrics): ExportObserver {
  const exported = metrics.counter('telemetry_export_total')
  const stride = exported.stride(0)
  return {
    count: (signal, outcome, items = 1) =>
      exported.add(signalPlaces[signal] * stride + exportOutcomePlaces[outcome], items),
  }
}
