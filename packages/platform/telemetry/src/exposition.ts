import type { Exemplar, Exemplars } from './exemplars.ts'
import { type HistogramPoint, type Labels, type MetricFamily, readMetrics } from './read-metrics.ts'
import type { Metrics } from './metrics.ts'

/** Media type of {@link formatMetrics}. */
export const metricsMediaType = 'text/plain; version=0.0.4; charset=utf-8'

/** Media type of {@link formatOpenMetrics}. */
export const openMetricsMediaType = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** What every metric's name begins with. */
export const metricPrefix = 'quantum_ip_'

/**
 * Metrics in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 *
 * `others` are the `cells` of metrics of the same layout in other threads: counters and histograms are added
 * up, gauges as their row says.
 *
 * @throws {TypeError} if `others` are of another layout.
 */
export function formatMetrics(metrics: Metrics, others: readonly Float64Array[] = []): string {
  return readMetrics(metrics, others)
    .map((family) => formatFamily(family, plainFormat))
    .join('')
}

/**
 * Metrics in the text format of OpenMetrics 1.0
 * (https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md), with exemplars where there are any.
 *
 * @throws {TypeError} if `others` are of another layout.
 */
export function formatOpenMetrics(
  metrics: Metrics,
  others: readonly Float64Array[] = [],
  exemplars?: Exemplars,
): string {
  const format: Format = {
    // A family of counters has the name without the suffix that its samples have.
    family: (name, type) => (type === 'counter' ? name.replace(/_total$/, '') : name),
    bound: (bound) => formatNumber(bound).replace(/^(-?\d+)$/, '$1.0'),
    exemplar: (...place) => formatExemplar(exemplars?.find(...place)),
  }
  const families = readMetrics(metrics, others).map((family) => formatFamily(family, format))
  return `${families.join('')}# EOF\n`
}

interface Format {
  readonly family: (name: string, type: MetricFamily['type']) => string
  readonly bound: (bound: number) => string
  readonly exemplar: (...place: Parameters<Exemplars['find']>) => string
}

const plainFormat: Format = { family: (name) => name, bound: formatNumber, exemplar: () => '' }

function formatFamily(family: MetricFamily, format: Format): string {
  const full = metricPrefix + family.name
  const name = format.family(full, family.type)
  return [
    `# HELP ${name} ${escapeHelp(family.help)}`,
    `# TYPE ${name} ${family.type}`,
    ...samplesOf(family, full, format),
    '',
  ].join('\n')
}

function samplesOf(family: MetricFamily, full: string, format: Format): readonly string[] {
  if (family.type === 'histogram')
    return family.points.flatMap((point) => histogramSamples({ ...family, full }, point, format))
  const takesExemplar = family.type === 'counter'
  return family.points.map(
    ({ labels, series, value }) =>
      sample(full, labels, value) + (takesExemplar ? format.exemplar(family.name, series) : ''),
  )
}

function histogramSamples(
  { name, full, buckets }: MetricFamily & { readonly type: 'histogram'; readonly full: string },
  { labels, series, counts, sum }: HistogramPoint,
  format: Format,
): readonly string[] {
  let count = 0
  const samples = counts.map((inBucket, bucket) => {
    count += inBucket
    const bound = format.bound(buckets[bucket] ?? Number.POSITIVE_INFINITY)
    return sample(`${full}_bucket`, [...labels, ['le', bound]], count) + format.exemplar(name, series, bucket)
  })
  return [...samples, sample(`${full}_sum`, labels, sum), sample(`${full}_count`, labels, count)]
}

function sample(name: string, labels: Labels, value: number): string {
  const set = labels.map(([label, text]) => `${label}="${escapeLabel(text)}"`).join(',')
  return `${name}${set === '' ? '' : `{${set}}`} ${formatNumber(value)}`
}

function formatExemplar(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return ''
  const { traceId, spanId, value, timeMs } = exemplar
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${formatNumber(value)} ${(timeMs / 1_000).toFixed(3)}`
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', String.raw`\"`)
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
