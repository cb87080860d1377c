import { otherValue } from './dimensions.ts'
import type { Registration } from './lib/layout.ts'
import { overflowOf, readSparse } from './lib/sparse-cells.ts'
import type { MetricRow } from './metric-table.ts'
import type { Metrics } from './metrics.ts'

/** Media type of {@link formatMetrics}. */
export const metricsMediaType = 'text/plain; version=0.0.4; charset=utf-8'

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
  const all = [metrics.cells, ...others]
  if (all.some(({ length }) => length !== metrics.cells.length)) {
    throw new TypeError('the metrics of all threads must be registered alike')
  }
  return metrics.registrations.map((each) => formatFamily(each, regionsOf(each, all))).join('')
}

function regionsOf({ offset, length }: Registration, all: readonly Float64Array[]): readonly Float64Array[] {
  return all.map((cells) => cells.subarray(offset, offset + length))
}

function formatFamily(registration: Registration, regions: readonly Float64Array[]): string {
  const { row } = registration
  const name = metricPrefix + registration.name
  const samples = samplesOf(registration, regions)
  if (samples.length === 0) return ''
  const lines = samples.map(({ suffix, labels, value }) => {
    const set = labels.map(([label, text]) => `${label}="${escapeLabel(text)}"`).join(',')
    return `${name}${suffix}${set === '' ? '' : `{${set}}`} ${formatNumber(value)}`
  })
  return [`# HELP ${name} ${escapeHelp(row.help)}`, `# TYPE ${name} ${row.type}`, ...lines, ''].join('\n')
}

type Labels = readonly (readonly [label: string, value: string])[]

interface Sample {
  readonly suffix: string
  readonly labels: Labels
  readonly value: number
}

function samplesOf(registration: Registration, regions: readonly Float64Array[]): readonly Sample[] {
  const { row } = registration
  if (registration.isSparse) return sparseSamples(registration, regions)
  const series = Array.from({ length: registration.combinations }, (_, at) => at)
  if (row.type === 'histogram') {
    return series.flatMap((at) => histogramSamples({ registration, buckets: row.buckets }, at, regions))
  }
  return series.flatMap((at): Sample[] => {
    const value = merge(
      row,
      regions.map((cells) => cells[at] as number),
    )
    return Number.isNaN(value) ? [] : [{ suffix: '', labels: labelsOf(registration, at), value }]
  })
}

function sparseSamples(registration: Registration, regions: readonly Float64Array[]): readonly Sample[] {
  const counted = [...readSparse(regions)].map(([at, value]) => ({
    suffix: '',
    labels: labelsOf(registration, at),
    value,
  }))
  const value = overflowOf(regions)
  if (value === 0) return counted
  const labels = labelsOf(registration, 0).map(([label]) => [label, otherValue] as const)
  return [...counted, { suffix: '', labels, value }]
}

function histogramSamples(
  { registration, buckets }: { readonly registration: Registration; readonly buckets: readonly number[] },
  series: number,
  regions: readonly Float64Array[],
): readonly Sample[] {
  const labels = labelsOf(registration, series)
  const at = series * registration.width
  const sumAt = (cell: number): number => regions.reduce((sum, cells) => sum + (cells[cell] as number), 0)
  let count = 0
  const samples = [...buckets, Number.POSITIVE_INFINITY].map((bound, bucket): Sample => {
    count += sumAt(at + bucket)
    return { suffix: '_bucket', labels: [...labels, ['le', formatNumber(bound)]], value: count }
  })
  return [
    ...samples,
    { suffix: '_sum', labels, value: sumAt(at + buckets.length + 1) },
    { suffix: '_count', labels, value: count },
  ]
}

function merge(row: MetricRow, values: readonly number[]): number {
  if (row.type !== 'gauge') return values.reduce((sum, value) => sum + value, 0)
  const set = values.filter((value) => !Number.isNaN(value))
  if (set.length === 0) return Number.NaN
  switch (row.across) {
    case 'sum':
      return set.reduce((sum, value) => sum + value, 0)
    case 'max':
      return Math.max(...set)
    case 'min':
      return Math.min(...set)
  }
}

function labelsOf({ dimensions, strides }: Registration, series: number): Labels {
  let rest = series
  return dimensions.flatMap(({ labels, rows }, at) => {
    const stride = strides[at] as number
    const place = Math.floor(rest / stride)
    rest %= stride
    return labels.map((label, column) => [label, rows[place]?.[column] ?? ''] as const)
  })
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
