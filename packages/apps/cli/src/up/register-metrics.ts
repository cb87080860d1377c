import type { Config } from '@quantum-ip/http'
import {
  authorityMetrics,
  enforcementMetrics,
  engineMetrics,
  flowMetrics,
  Metrics,
  otlpMetrics,
  replayStoreMetrics,
  sidecarMetrics,
} from '@quantum-ip/telemetry'

/** The metrics of a process with authority and gateway: the same layout in each of its threads. */
export function registerMetrics(config: Config, { isSidecar = false } = {}): Metrics {
  const policies = [...config.gateway.routes, ...config.gateway.flows].flatMap(({ policy }) =>
    policy === undefined ? [] : [policy],
  )
  const metrics = new Metrics({
    seriesMax: config.telemetry.seriesMax,
    metrics: [
      ...authorityMetrics,
      ...enforcementMetrics,
      ...(config.replay.redis === undefined ? [] : replayStoreMetrics),
      ...(config.telemetry.otlp === undefined ? [] : otlpMetrics),
      ...(isSidecar ? sidecarMetrics : []),
      ...(config.policies.engines.length === 0 ? [] : engineMetrics),
      ...(config.gateway.flows.length === 0 ? [] : flowMetrics),
    ],
    sets: {
      service: config.services.map(({ id }) => id),
      enforcement_point: [config.gateway.name],
      region: config.region,
      policy: [...new Set(policies)],
      service_info: config.services.map(({ id, owner = '', tier, stage }) => ({
        service: id,
        owner,
        tier,
        stage,
      })),
    },
  })
  const info = metrics.gauge('service_info')
  // Those of `metrics`: with very many services, the last ones have no series of their own.
  metrics.sets.service_info?.forEach((_, place) => info.set(place, 1))
  return metrics
}
