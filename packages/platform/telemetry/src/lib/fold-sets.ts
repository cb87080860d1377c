import type { ConfiguredSets } from '../dimensions.ts'
import type { MetricName } from '../metric-table.ts'
import { TelemetryError } from '../telemetry-errors.ts'
import { type Registration, layOut } from './layout.ts'

/** The labels whose values count as `other` where the budget has no room for them. */
export const foldedLabels = ['service', 'policy'] as const

/** How many configured values of each label count as `other`. */
export type FoldedValues = Readonly<Record<(typeof foldedLabels)[number], number>>

/** What a process registers within its budget. */
export interface FittedLayout {
  readonly registrations: readonly Registration[]
  /** The sets without the values that count as `other`. */
  readonly sets: ConfiguredSets
  readonly folded: FoldedValues
}

/**
 * Lays metrics out within a budget of series. Where configuration names more services or policies than there is room for, the
 * first ones of each keep series of their own, as many as fit, and the rest counts as `other`. That is settled here, once: no
 * traffic can change it, and whoever comes first in the configuration is not pushed out.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_SERIES_EXCEEDED` if the metrics alone, without a service and a policy, are over the
 * budget, `QIP_TELEMETRY_LABEL_MALFORMED`.
 */
export function fitLayout(
  names: readonly MetricName[],
  sets: ConfiguredSets,
  seriesMax: number,
): FittedLayout {
  const whole = layOut(names, sets)
  const given = { service: sets.service?.length ?? 0, policy: sets.policy?.length ?? 0 }
  const most = Math.max(given.service, given.policy, sets.service_info?.length ?? 0)
  if (whole.series <= seriesMax) return { ...whole, sets, folded: { service: 0, policy: 0 } }
  const none = layOut(names, cut(sets, 0))
  if (none.series > seriesMax) {
    const metric = names[none.through.findIndex((series) => series > seriesMax)] ?? ''
    throw new TelemetryError('QIP_TELEMETRY_SERIES_EXCEEDED', {
      metric,
      series: none.series,
      limit: seriesMax,
    })
  }
  let fits = 0
  for (let above = most; above - fits > 1;) {
    const middle = Math.floor((fits + above) / 2)
    if (layOut(names, cut(sets, middle)).series <= seriesMax) fits = middle
    else above = middle
  }
  const kept = cut(sets, fits)
  const folded = {
    service: Math.max(0, given.service - fits),
    policy: Math.max(0, given.policy - fits),
  }
  return { registrations: layOut(names, kept).registrations, sets: kept, folded }
}

function cut(sets: ConfiguredSets, size: number): ConfiguredSets {
  const { service, policy, service_info: info } = sets
  const services = service?.slice(0, size)
  return {
    ...sets,
    ...(services !== undefined && { service: services }),
    ...(policy !== undefined && { policy: policy.slice(0, size) }),
    ...(info !== undefined && {
      service_info:
        services === undefined ? info.slice(0, size) : info.filter((one) => services.includes(one.service)),
    }),
  }
}
