import type { BurnWindow, LevelId, SharesByWindow } from '@quantum-ip/telemetry'

/** What was counted for a level, of a service or of the whole. */
export interface CountedLevel {
  readonly id: LevelId
  readonly service: string | undefined
  readonly shares: SharesByWindow
}

/** Where counts of service levels came from. */
export interface LevelSource {
  /** For people. */
  readonly name: string
  /** Since when it counts; absent: for as long as it keeps series. */
  readonly sinceMs: number | undefined
  readonly levels: readonly CountedLevel[]
  /** What could not be asked, and why it is missing. */
  readonly missing: readonly string[]
}

/** Adds up what several processes counted: of each level and service, bad and all things. */
export function addLevels(counted: readonly CountedLevel[]): readonly CountedLevel[] {
  const sums = new Map<string, CountedLevel>()
  for (const level of counted) {
    const key = `${level.id} ${level.service ?? ''}`
    const before = sums.get(key)
    sums.set(key, before === undefined ? level : { ...level, shares: addShares(before.shares, level.shares) })
  }
  return [...sums.values()]
}

function addShares(one: SharesByWindow, other: SharesByWindow): SharesByWindow {
  const entries = (Object.keys(one) as BurnWindow[]).map((name) => [
    name,
    { bad: one[name].bad + other[name].bad, total: one[name].total + other[name].total },
  ])
  return Object.fromEntries(entries) as SharesByWindow
}
