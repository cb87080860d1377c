import { otherValue } from './dimensions.ts'
import type { Registration } from './lib/layout.ts'
import { readSparse } from './lib/sparse-cells.ts'
import type { MetricName, MetricRow } from './metric-table.ts'
import type { Metrics } from './metrics.ts'

/** Labels of a series, in order. */
export type Labels = readonly (readonly [label: string, value: string])[]

/** One series of a counter or gauge. */
export interface NumberPoint {
  readonly labels: Labels
  /** Its place in the metric; -1 for what was counted as `other` in every label. */
  readonly series: number
  readonly value: number
}

/** One series of a histogram. */
export interface HistogramPoint {
  readonly labels: Labels
  readonly series: number
  /** How many values there were in each bucket, the one above all bounds last. Not added up. */
  readonly counts: readonly number[]
  readonly sum: number
}

/** A metric with its series, as they are at one moment. */
export type MetricFamily = { readonly name: MetricName; readonly help: string } & (
  | { readonly type: 'counter' | 'gauge'; readonly points: readonly NumberPoint[] }
  | {
      readonly type: 'histogram'
      readonly buckets: readonly number[]
      readonly points: readonly HistogramPoint[]
    }
)

/**
 * Reads metrics: what every way of showing them shows. Metrics without a series are left out.
 *
 * `others` are the `cells` of metrics of the same layout in other threads: counters and histograms are added
 * up, gauges as their row says.
 *
 * @throws {TypeError} if `others` are of another layout.
 */
export function readMetrics(metrics: Metrics, others: readonly Float64Array[] = []): readonly MetricFamily[] {
  const all = [metrics.cells, ...others]
  if (all.some(({ length }) => length !== metrics.cells.length)) {
    throw new TypeError('the metrics of all threads must be registered alike')
  }
  const families = metrics.registrations.flatMap((each) => {
    const family = familyOf(each, regionsOf(each, all))
    return family.points.length === 0 ? [] : [family]
  })
  return tellBudget(families, metrics.registrations)
}

function regionsOf({ offset, length }: Registration, all: readonly Float64Array[]): readonly Float64Array[] {
  return all.map((cells) => cells.subarray(offset, offset + length))
}

function familyOf(registration: Registration, regions: readonly Float64Array[]): MetricFamily {
  const { name, row } = registration
  const { help, type } = row
  if (type !== 'histogram') return { name, help, type, points: numberPoints(registration, regions) }
  const points = placesOf(registration).map((series) => histogramPoint(registration, series, regions))
  return { name, help, type, buckets: row.buckets, points }
}

function placesOf({ combinations }: Registration): readonly number[] {
  return Array.from({ length: combinations }, (_, at) => at)
}

function numberPoints(registration: Registration, regions: readonly Float64Array[]): readonly NumberPoint[] {
  if (registration.isSparse) return sparsePoints(registration, regions)
  return placesOf(registration).flatMap((series): NumberPoint[] => {
    const value = merge(
      registration.row,
      regions.map((cells) => cells[series] as number),
    )
    return Number.isNaN(value) ? [] : [{ labels: labelsOf(registration, series), series, value }]
  })
}

// Each thread keeps to its limit, all of them together need not: which combinations are shown is settled as they come to be seen,
// and stays. One that is not shown counts as `other` from the start, so nothing that is shown ever falls.
const shownCombinations = new WeakMap<Registration, Set<number>>()

function sparsePoints(registration: Registration, regions: readonly Float64Array[]): readonly NumberPoint[] {
  const shown = shownCombinations.get(registration) ?? new Set<number>()
  shownCombinations.set(registration, shown)
  const { counted, overflow } = readSparse(regions)
  let other = overflow
  const points: NumberPoint[] = []
  for (const [series, value] of counted) {
    if (shown.has(series) || shown.size < registration.liveMax) {
      shown.add(series)
      points.push({ labels: labelsOf(registration, series), series, value })
    } else other += value
  }
  if (other === 0) return points
  const labels = labelsOf(registration, 0).map(([label]) => [label, otherValue] as const)
  return [...points, { labels, series: overflowSeries, value: other }]
}

const overflowSeries = -1

function histogramPoint(
  registration: Registration,
  series: number,
  regions: readonly Float64Array[],
): HistogramPoint {
  const at = series * registration.width
  const buckets = registration.width - 1
  const sumAt = (cell: number): number => regions.reduce((sum, cells) => sum + (cells[cell] as number), 0)
  return {
    labels: labelsOf(registration, series),
    series,
    counts: Array.from({ length: buckets }, (_, bucket) => sumAt(at + bucket)),
    sum: sumAt(at + buckets),
  }
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

/** Says in the metrics themselves how many series they have, and what had no room among them. */
function tellBudget(
  families: readonly MetricFamily[],
  registrations: readonly Registration[],
): readonly MetricFamily[] {
  const isRegistered = registrations.some(({ name }) => name === 'metric_series')
  if (!isRegistered) return families
  const told = families.filter(({ name }) => name !== 'metric_series' && name !== 'metric_overflow_total')
  const overflow = familyLike(registrations, 'metric_overflow_total', overflowIn(told))
  // With the two that say so.
  const series = told.reduce((sum, family) => sum + seriesIn(family), 2)
  return [...told, overflow, familyLike(registrations, 'metric_series', series)]
}

function familyLike(registrations: readonly Registration[], name: MetricName, value: number): MetricFamily {
  const row = registrations.find((each) => each.name === name)?.row
  return {
    name,
    help: row?.help ?? '',
    type: row?.type === 'counter' ? 'counter' : 'gauge',
    points: [{ labels: [], series: 0, value }],
  }
}

function overflowIn(families: readonly MetricFamily[]): number {
  let sum = 0
  for (const family of families) {
    if (family.type === 'histogram') continue
    for (const { series, value } of family.points) if (series === overflowSeries) sum += value
  }
  return sum
}

/** Time series as Prometheus counts them: a histogram has one for each bucket, the sum and the count. */
function seriesIn(family: MetricFamily): number {
  return family.points.length * (family.type === 'histogram' ? family.buckets.length + 3 : 1)
}
