import type { Share } from './error-budget.ts'
import type { LevelSample } from './read-samples.ts'
import type { Counted, Matching, ServiceLevel } from './service-levels.ts'

/** What some series have counted for a level since their process began; `undefined` where nothing has. */
export function countSamples(
  samples: readonly LevelSample[],
  { counts: { total, bad, good } }: Pick<ServiceLevel, 'counts'>,
): Share | undefined {
  const all = sumOf(samples, total)
  const failed = bad && sumOf(samples, bad)
  if (all === undefined && failed === undefined) return undefined
  if (good === undefined) return { bad: failed ?? 0, total: all ?? 0 }
  return { bad: Math.max(0, (all ?? 0) - (sumOf(samples, good) ?? 0)), total: all ?? 0 }
}

function sumOf(samples: readonly LevelSample[], { metric, where = {}, atMost }: Counted): number | undefined {
  let sum: number | undefined
  for (const sample of samples) {
    if (sample.name !== metric || !matches(sample.labels, where)) continue
    sum = (sum ?? 0) + (atMost === undefined ? sample.value : within(sample, atMost))
  }
  return sum
}

function within({ histogram }: LevelSample, atMost: number): number {
  const { buckets = [], counts = [] } = histogram ?? {}
  return buckets.reduce((sum, bound, at) => (bound <= atMost ? sum + (counts[at] ?? 0) : sum), 0)
}

function matches(labels: LevelSample['labels'], where: Matching): boolean {
  return Object.entries(where).every(([name, values]) => {
    const found = labels.find(([label]) => label === name)
    return found !== undefined && values.includes(found[1])
  })
}
