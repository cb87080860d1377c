import { type ConfiguredSets, type Dimension, dimensionOf } from '../dimensions.ts'
import { type MetricName, type MetricRow, metricRow } from '../metric-table.ts'
import { sparseLength } from './sparse-cells.ts'

/** A registered metric and where its cells are. */
export interface Registration {
  readonly name: MetricName
  readonly row: MetricRow
  readonly dimensions: readonly Dimension[]
  /** How far apart two neighbours of each dimension are; the last one's stride is 1. */
  readonly strides: readonly number[]
  readonly combinations: number
  /** Series that may come to life; all combinations, unless the metric is a sparse one. */
  readonly liveMax: number
  readonly isSparse: boolean
  /** Cells of one combination: 1, or one for each bucket, one for `+Inf`, one for the sum. */
  readonly width: number
  readonly offset: number
  readonly length: number
}

/** Metrics with their places, and how many series they may come to. */
export interface Layout {
  readonly registrations: readonly Registration[]
  readonly series: number
  /** Series of all metrics up to each one, that one included. */
  readonly through: readonly number[]
}

/**
 * Lays the cells of metrics out, one after the other.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_LABEL_MALFORMED`.
 */
export function layOut(names: readonly MetricName[], sets: ConfiguredSets): Layout {
  let offset = 0
  let series = 0
  const through: number[] = []
  const registrations = names.map((name) => {
    const registration = register(name, sets, offset)
    offset += registration.length
    series += seriesOf(registration)
    through.push(series)
    return registration
  })
  return { registrations, series, through }
}

function register(name: MetricName, sets: ConfiguredSets, offset: number): Registration {
  const row = metricRow(name)
  const dimensions = row.dimensions.map((dimension) => dimensionOf(dimension, sets))
  const strides = dimensions.map((_, place) => product(dimensions.slice(place + 1)))
  const combinations = product(dimensions)
  const reserved = row.type === 'counter' ? row.liveMax : undefined
  const liveMax =
    reserved === undefined ? combinations : Math.min(combinations, reserved * product(dimensions.slice(0, 2)))
  const isSparse = liveMax < combinations
  const width = row.type === 'histogram' ? row.buckets.length + 2 : 1
  const length = isSparse ? sparseLength(liveMax) : combinations * width
  return { name, row, dimensions, strides, combinations, liveMax, isSparse, width, offset, length }
}

function product(dimensions: readonly Dimension[]): number {
  return dimensions.reduce((size, { rows }) => size * rows.length, 1)
}

// A histogram is a series for each bucket, `+Inf`, the sum and the count; a sparse counter has its overflow.
function seriesOf({ row, combinations, liveMax, isSparse, width }: Registration): number {
  if (row.type === 'histogram') return combinations * (width + 1)
  return isSparse ? liveMax + 1 : combinations
}
