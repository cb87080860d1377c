import type { Config } from '@quantum-ip/http'
import { authorityMetrics, enforcementMetrics, Metrics, replayStoreMetrics } from '@quantum-ip/telemetry'

/** The metrics of a process with authority and gateway: the same layout in each of its threads. */
export function registerMetrics(config: Config): Metrics {
  const policies = config.gateway.routes.flatMap(({ policy }) => (policy === undefined ? [] : [policy]))
  return new Metrics({
    metrics: [
      ...authorityMetrics,
      ...enforcementMetrics,
      ...(config.replay.redis === undefined ? [] : replayStoreMetrics),
    ],
    sets: {
      service: config.services.map(({ id }) => id),
      enforcement_point: [config.gateway.name],
      region: config.region,
      policy: [...new Set(policies)],
    },
  })
}
