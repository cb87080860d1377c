import { type ConfiguredSets, type Dimension, placesIn } from './dimensions.ts'
import { type FoldedValues, fitLayout, foldedLabels } from './lib/fold-sets.ts'
import type { Registration } from './lib/layout.ts'
import { addSparse } from './lib/sparse-cells.ts'
import { type MetricName, type MetricNameOf } from './metric-table.ts'

/** Time series that one process may have. */
export const seriesMaxDefault = 2_000

/** Which metrics a process has, and the sets that their labels come from. */
export interface MetricsOptions {
  readonly metrics: readonly MetricName[]
  readonly sets?: ConfiguredSets
  /** Default {@link seriesMaxDefault}. */
  readonly seriesMax?: number
}

/**
 * The metrics of one thread: one array of numbers, laid out once.
 *
 * Counting is an addition in a typed array; nothing is looked up by label, allocated or thrown on the
 * hot path, and no series can come to be that was not declared at the start. The array is shared memory: a
 * worker hands `cells` to the thread that answers scrapes, which adds them up ({@link formatMetrics}).
 */
export class Metrics {
  readonly cells: Float64Array<SharedArrayBuffer>
  readonly registrations: readonly Registration[]
  /** The sets that labels come from, without what counts as `other` for the budget's sake. */
  readonly sets: ConfiguredSets
  /** How many configured values of each label count as `other`: the budget has no room for series of their own. */
  readonly folded: FoldedValues
  readonly #byName: ReadonlyMap<string, Registration>

  /**
   * @throws {TelemetryError} `QIP_TELEMETRY_SERIES_EXCEEDED` if the metrics are over the budget even where every service and
   * policy counts as `other`, `QIP_TELEMETRY_LABEL_MALFORMED` for a configured set that is not one.
   */
  constructor(options: MetricsOptions) {
    const names = [...new Set(options.metrics)]
    const fitted = fitLayout(names, options.sets ?? {}, options.seriesMax ?? seriesMaxDefault)
    this.registrations = fitted.registrations
    this.sets = fitted.sets
    this.folded = fitted.folded
    this.#byName = new Map(this.registrations.map((each) => [each.name, each]))
    const length = this.registrations.reduce((sum, each) => sum + each.length, 0)
    this.cells = new Float64Array(new SharedArrayBuffer(Math.max(1, length) * Float64Array.BYTES_PER_ELEMENT))
    // A gauge that nobody has set is absent, not zero.
    for (const { row, offset, length } of this.registrations) {
      if (row.type === 'gauge') this.cells.fill(Number.NaN, offset, offset + length)
    }
    if (this.#byName.has('metric_values_folded')) this.#tellFolded()
  }

  /** @throws {TypeError} if the metric is not registered here. */
  counter(name: MetricNameOf<'counter'>): Counter {
    return new Counter(this.#registration(name), this.cells)
  }

  /** @throws {TypeError} if the metric is not registered here. */
  gauge(name: MetricNameOf<'gauge'>): Gauge {
    return new Gauge(this.#registration(name), this.cells)
  }

  /** @throws {TypeError} if the metric is not registered here. */
  histogram(name: MetricNameOf<'histogram'>): Histogram {
    return new Histogram(this.#registration(name), this.cells)
  }

  #tellFolded(): void {
    const gauge = this.gauge('metric_values_folded')
    for (const [place, label] of foldedLabels.entries()) gauge.set(place, this.folded[label])
  }

  #registration(name: MetricName): Registration {
    const found = this.#byName.get(name)
    if (found === undefined) throw new TypeError(`the metric \`${name}\` is not registered in this process`)
    return found
  }
}

abstract class Family {
  protected readonly registration: Registration
  protected readonly cells: Float64Array

  constructor(registration: Registration, cells: Float64Array) {
    this.registration = registration
    this.cells = cells.subarray(registration.offset, registration.offset + registration.length)
  }

  /**
   * The number of the series with this place in each dimension, in the metric's order. Work it out once, outside
   * the hot path; a place of the last dimension can be added to it.
   */
  series(places: readonly number[]): number {
    const { dimensions, strides } = this.registration
    if (places.length !== dimensions.length) throw new TypeError('a place for each dimension is needed')
    return places.reduce((sum, place, at) => {
      const size = dimensions[at]?.rows.length ?? 0
      if (!Number.isInteger(place) || place < 0 || place >= size) throw new TypeError('no such place')
      return sum + place * (strides[at] ?? 0)
    }, 0)
  }

  /** How far apart two neighbours of a dimension are. */
  stride(dimension: number): number {
    return this.registration.strides[dimension] ?? 0
  }

  /** Finds a value's place in a dimension with one label, see {@link placesIn}. */
  places(dimension: number): (value: string) => number {
    return placesIn(this.registration.dimensions[dimension] as Dimension)
  }
}

/** A counter with closed labels. */
export class Counter extends Family {
  add(series: number, amount = 1): void {
    const { cells, registration } = this
    if (registration.isSparse) addSparse(cells, registration.liveMax, series, amount)
    else cells[series] = (cells[series] as number) + amount
  }
}

/** A gauge with closed labels. */
export class Gauge extends Family {
  set(series: number, value: number): void {
    this.cells[series] = value
  }
}

/** A histogram with closed labels and fixed buckets. */
export class Histogram extends Family {
  readonly #buckets: readonly number[]

  constructor(registration: Registration, cells: Float64Array) {
    super(registration, cells)
    this.#buckets = registration.row.type === 'histogram' ? registration.row.buckets : []
  }

  /** Cells of one series. */
  get width(): number {
    return this.registration.width
  }

  /** The place of the bucket that a value is counted in. What is not a number of at least zero counts as zero. */
  bucketOf(value: number): number {
    const buckets = this.#buckets
    let bucket = 0
    // Bounds grow from where almost all values are: a scan from below meets them first.
    while (bucket < buckets.length && value > (buckets[bucket] as number)) bucket++
    return bucket
  }

  /** Counts `value` once. What is not a number of at least zero counts as zero: one bad value must not spoil a sum. */
  observe(series: number, value: number): void {
    const { cells } = this
    const counted = value >= 0 ? value : 0
    const at = series * (this.#buckets.length + 2)
    const bucket = at + this.bucketOf(counted)
    cells[bucket] = (cells[bucket] as number) + 1
    const sum = at + this.#buckets.length + 1
    cells[sum] = (cells[sum] as number) + counted
  }
}
