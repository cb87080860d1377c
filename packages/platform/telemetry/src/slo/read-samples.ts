import type { MetricName } from '../metric-table.ts'
import type { Metrics } from '../metrics.ts'
import { type Labels, readMetrics } from '../read-metrics.ts'

/** One series as service levels count it: of a histogram, how many values there were. */
export interface LevelSample {
  readonly name: MetricName
  readonly labels: Labels
  readonly value: number
  /** Of a histogram: upper bounds, and how many values there were in each bucket. */
  readonly histogram?: { readonly buckets: readonly number[]; readonly counts: readonly number[] }
}

/** The series of some metrics, over all threads. */
export function readSamples(
  metrics: Metrics,
  others: readonly Float64Array[],
  names: readonly MetricName[],
): readonly LevelSample[] {
  return readMetrics(metrics, others)
    .filter(({ name }) => names.includes(name))
    .flatMap((family): readonly LevelSample[] => {
      const { name } = family
      if (family.type !== 'histogram')
        return family.points.map(({ labels, value }) => ({ name, labels, value }))
      const { buckets } = family
      return family.points.map(({ labels, counts }) => ({
        name,
        labels,
        value: counts.reduce((sum, count) => sum + count, 0),
        histogram: { buckets, counts },
      }))
    })
}
