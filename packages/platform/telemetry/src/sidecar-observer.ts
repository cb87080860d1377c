import {
  type OutboundOutcome,
  outboundPlaces,
  type TokenOutcome,
  tokenOutcomePlaces,
  type TokenWay,
  tokenWayPlaces,
  type WorkloadOperation,
  workloadOperationPlaces,
  workloadOutcomePlaces,
} from './sidecar-sets.ts'
import type { Metrics } from './metrics.ts'

/** What a sidecar tells. */
export interface SidecarObserver {
  token(way: TokenWay, outcome: TokenOutcome): void
  outbound(outcome: OutboundOutcome): void
  /** `route` is the pattern of a route of the workload API, empty for none. */
  workload(route: string, status: number): void
  /** Sets the gauges to what is true now. */
  holds(now: { readonly calls: number; readonly tokens: number; readonly audiencesCold: number }): void
}

/** Counts what a sidecar tells, into `sidecarMetrics`. */
export function sidecarObserver(metrics: Metrics): SidecarObserver {
  const tokens = metrics.counter('sidecar_tokens_total')
  const outbound = metrics.counter('sidecar_outbound_total')
  const workload = metrics.counter('workload_requests_total')
  const [tokenStride, workloadStride] = [tokens.stride(0), workload.stride(0)]
  return {
    token: (way, outcome) => tokens.add(tokenWayPlaces[way] * tokenStride + tokenOutcomePlaces[outcome]),
    outbound: (outcome) => outbound.add(outboundPlaces[outcome]),
    workload(route, status) {
      const outcome = status < 400 ? 'ok' : status < 500 ? 'refused' : 'failed'
      const operation = workloadOperationPlaces[operationOf(route)]
      workload.add(operation * workloadStride + workloadOutcomePlaces[outcome])
    },
    holds({ calls, tokens: held, audiencesCold }) {
      metrics.gauge('sidecar_calls_held').set(0, calls)
      metrics.gauge('sidecar_tokens_held').set(0, held)
      metrics.gauge('sidecar_audiences_cold').set(0, audiencesCold)
    },
  }
}

function operationOf(route: string): WorkloadOperation {
  const name = route.replace(/^\/v1\//, '')
  return Object.hasOwn(workloadOperationPlaces, name) ? (name as WorkloadOperation) : 'other'
}
