// What an expression of PromQL reads, as far as names and labels go: enough to hold rules and panels against the table of metrics.
import { dimensionOf, metricPrefix, metricRow, metricTable, type MetricName } from '@quantum-ip/telemetry'

/** One selector of an expression. */
export interface Selector {
  /** As it stands: `quantum_ip_verifications_total`, `quantum_ip:service:info` or `up`. */
  readonly name: string
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

/** All selectors of our series, and of `up` and `ALERTS`. */
export function selectorsOf(expr: string): readonly Selector[] {
  const found = expr.matchAll(/\b(quantum_ip[\w:]*|up|ALERTS)\b(?:\{([^}]*)\})?/g)
  return [...found].map(([, name = '', inside = '']) => ({
    name,
    matchers: [...inside.matchAll(/(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"/g)].map(
      ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
    ),
  }))
}

/** The metric of our table that a name of a series belongs to. */
export function metricOf(name: string): MetricName | undefined {
  const bare = name.slice(metricPrefix.length)
  if (!name.startsWith(metricPrefix)) return undefined
  if (bare in metricTable) return bare as MetricName
  const histogram = bare.replace(/_(?:bucket|sum|count)$/, '')
  return histogram in metricTable && metricRow(histogram as MetricName).type === 'histogram'
    ? (histogram as MetricName)
    : undefined
}

/** The labels that a metric's series have, with their values where the set is closed. */
export function labelsOf(metric: MetricName): ReadonlyMap<string, readonly string[] | 'open'> {
  const labels = new Map<string, readonly string[] | 'open'>()
  const { dimensions } = metricRow(metric)
  for (const name of dimensions) {
    const dimension = dimensionOf(name, {})
    const isOpen = ['service', 'enforcement_point', 'region', 'policy', 'service_info'].includes(name)
    for (const [at, label] of dimension.labels.entries()) {
      labels.set(label, isOpen ? 'open' : dimension.rows.map((row) => row[at] ?? ''))
    }
  }
  return labels
}

/** What is wrong with the selectors of an expression; empty where nothing is. */
export function faultsOf(expr: string, recorded: ReadonlySet<string>): readonly string[] {
  return selectorsOf(expr).flatMap(({ name, matchers }) => {
    if (name === 'up' || name === 'ALERTS') return []
    if (name.startsWith('quantum_ip:')) return recorded.has(name) ? [] : [`nothing records ${name}`]
    const metric = metricOf(name)
    if (metric === undefined) return [`there is no metric ${name}`]
    const labels = labelsOf(metric)
    return matchers.flatMap(({ label, value }) => {
      if (label === 'instance' || label === 'job' || label === 'le' || value.startsWith('$')) return []
      const values = labels.get(label)
      if (values === undefined) return [`${name} has no label ${label}`]
      if (values === 'open') return []
      return value
        .split('|')
        .filter((each) => !values.includes(each))
        .map((each) => `${label} of ${name} is never ${each}`)
    })
  })
}
