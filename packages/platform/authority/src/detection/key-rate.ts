/** When the rate of a key's use has changed suddenly. */
export interface KeyRateRule {
  /** So many times the usual rate is a change. */
  readonly factor: number
  /** A rate of so many per minute is never one. */
  readonly floor: number
}

/** A rate that is out of the usual. */
export interface RateChange {
  readonly count: number
  /** The median of the minutes before. */
  readonly usual: number
  /** What it would have taken to be no change. */
  readonly most: number
  /** How many minutes were compared with. */
  readonly minutes: number
}

/** With fewer minutes to compare with nothing is usual yet. */
const minutesMin = 10

/**
 * Compares the uses in one minute with those in the minutes before it: a change is more than `factor` times their median, and
 * more than `floor`.
 *
 * A median, since one burst an hour ago must not make the next one look usual, nor an idle night the morning look like a theft
 * for longer than half of the window. Only a rise counts: who steals the use of a key signs more, not less.
 */
export function decideRateChange(
  count: number,
  before: readonly number[],
  { factor, floor }: KeyRateRule,
): RateChange | undefined {
  if (before.length < minutesMin) return undefined
  const sorted = before.toSorted((a, b) => a - b)
  const usual = sorted[Math.floor(sorted.length / 2)] ?? 0
  const most = Math.max(floor, usual * factor)
  return count > most ? { count, usual, most, minutes: before.length } : undefined
}
