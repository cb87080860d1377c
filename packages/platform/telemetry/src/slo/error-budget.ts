/** What was counted in a span of time. */
export interface Share {
  readonly bad: number
  readonly total: number
}

/** How an error budget stands. */
export interface ErrorBudget {
  /** Share of what was counted that was good; `undefined` where nothing was. */
  readonly good: number | undefined
  /** Whether that is at least the target. */
  readonly holds: boolean
  /** Failures that the target allows, of as many as were counted. */
  readonly allowed: number
  /** Share of the budget that is left, at most 1; negative where more failed than was allowed. */
  readonly left: number
}

/**
 * How the budget of a target stands after what was counted.
 *
 * A target of 1 allows nothing: its budget is whole, or used up.
 *
 * @throws {RangeError} for a target outside of 0..1, or counts that are none
 *
 * @example
 * errorBudget(0.99, { bad: 4, total: 1_000 }) // => good 0.996, allowed 10, left 0.6
 */
export function errorBudget(target: number, { bad, total }: Share): ErrorBudget {
  mustBeShare(target, { bad, total })
  if (total === 0) return { good: undefined, holds: true, allowed: 0, left: 1 }
  const good = Math.max(0, 1 - bad / total)
  const allowed = budgetOf(target) * total
  const left = bad === 0 ? 1 : allowed === 0 ? 0 : 1 - bad / allowed
  return { good, holds: bad <= allowed, allowed, left }
}

/**
 * How many times faster than its pace a budget is used: 1 uses it up exactly in the period that it is for. With a target of 1 any
 * failure is infinitely fast. Zero where nothing was counted.
 */
export function burnRate(target: number, { bad, total }: Share): number {
  mustBeShare(target, { bad, total })
  if (bad === 0 || total === 0) return 0
  const budget = budgetOf(target)
  return budget === 0 ? Number.POSITIVE_INFINITY : bad / total / budget
}

/** What is left of a budget at a rate. */
export interface Outlook {
  /** Share of the budget that is left. */
  readonly left: number
  /** See {@link burnRate}. */
  readonly rate: number
  /** What the budget is for, milliseconds. */
  readonly periodMs: number
}

/**
 * Milliseconds until the budget is used up if it goes on like this: 0 where it is, infinity where nothing is burnt.
 *
 * What is counted is taken to come as evenly as in the period behind.
 */
export function timeToExhaustion({ left, rate, periodMs }: Outlook): number {
  if (left <= 0) return 0
  return rate === 0 ? Number.POSITIVE_INFINITY : (left * periodMs) / rate
}

/** The share that may fail. `1 - 0.99` is not 0.01: what is exactly allowed must not be one too many. */
export function budgetOf(target: number): number {
  return Math.round((1 - target) * 1e12) / 1e12
}

function mustBeShare(target: number, { bad, total }: Share): void {
  if (!(target >= 0 && target <= 1)) throw new RangeError('a target is a share from 0 to 1')
  if (!(bad >= 0 && total >= 0)) throw new RangeError('a count is a number from 0 on')
}
