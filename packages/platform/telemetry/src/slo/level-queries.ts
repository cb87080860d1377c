import { metricPrefix } from '../exposition.ts'
import { metricRow } from '../metric-table.ts'
import type { BurnWindow } from './burn-alerts.ts'
import type { Counted, LevelCounts, ServiceLevel } from './service-levels.ts'

/** What Prometheus is asked for what a level counts in a span; by service, where the level is of services. */
export function levelQuery(
  { of, kind }: Pick<ServiceLevel, 'of' | 'kind'>,
  counted: NonNullable<LevelCounts[keyof LevelCounts]>,
  window: BurnWindow,
): string {
  const by = of === 'service' ? 'by (service) ' : ''
  if (kind === 'gauge') return `sum_over_time((max ${by}(${selector(counted)}))[${window}:1m])`
  return `sum ${by}(increase(${selector(counted)}[${window}]))`
}

/** What Prometheus is asked for the services that count. */
export const enforcedQuery = `max by (service) (${metricPrefix}service_info{stage="enforced"})`

function selector({ metric, where = {}, atMost }: Counted): string {
  const isHistogram = metricRow(metric).type === 'histogram'
  const suffix = isHistogram ? (atMost === undefined ? '_count' : '_bucket') : ''
  const matchers = [
    ...Object.entries(where).map(([label, values]) => `${label}=~"${values.join('|')}"`),
    ...(atMost === undefined ? [] : [`le="${atMost}"`]),
  ]
  const set = matchers.length === 0 ? '' : `{${matchers.join(',')}}`
  return `${metricPrefix}${metric}${suffix}${set}`
}
