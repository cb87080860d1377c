import { type FlowCutCause, type FlowRefusalCause, flowCutPlaces, flowRefusalPlaces } from './closed-sets.ts'
import type { ObserverPlace } from './observers.ts'

/** What becomes of the connections of flows, counted into {@link flowMetrics}. */
export interface FlowMetricsObserver {
  refused(cause: FlowRefusalCause, service: string): void
  cut(cause: FlowCutCause, service: string): void
  /** What is true now, for the gauge. */
  refresh(now: { readonly open: number }): void
}

/**
 * Counts connections of flows that are closed before a policy is asked, or cut after it was.
 *
 * @throws {TypeError} if a metric is not registered, or no point of this name.
 */
export function flowObserver({ metrics, point }: ObserverPlace): FlowMetricsObserver {
  const refused = metrics.counter('flows_refused_total')
  const here = refused.places(0)(point)
  const [refusedService, cut, open] = [
    refused.places(1),
    metrics.counter('flows_cut_total'),
    metrics.gauge('flows_open'),
  ]
  const [cutService, cutStride] = [cut.places(0), cut.stride(0)]
  return {
    refused: (cause, service) =>
      refused.add(refused.series([here, refusedService(service), flowRefusalPlaces[cause]])),
    cut: (cause, service) => cut.add(cutService(service) * cutStride + flowCutPlaces[cause]),
    refresh: (now) => open.set(0, now.open),
  }
}
