import {
  budgetPeriodMs,
  burnWindows,
  type BurnUrgency,
  type BurnWindow,
  decideBurn,
  type SharesByWindow,
} from './burn-alerts.ts'
import { burnRate, errorBudget, timeToExhaustion } from './error-budget.ts'
import type { ServiceLevel } from './service-levels.ts'

/** How a service level stands, in numbers for people. */
export interface LevelStanding {
  /** What was counted in the last hour; the share that was good, where there was anything. */
  readonly total: number
  readonly good: number | undefined
  /** Share of the budget for 30 days that is left; negative where more failed than was allowed. */
  readonly left: number
  /** How many times faster than its pace the budget is used, in each span. */
  readonly burn: Readonly<Record<BurnWindow, number>>
  /** What the rules of alerts would do. */
  readonly urgency: BurnUrgency | undefined
  /** Milliseconds until the budget is used up at the rate of the last six hours; infinity where nothing is burnt. */
  readonly lastsMs: number
}

/**
 * How a level stands after what was counted.
 *
 * @param coveredMs how much of the 30 days was counted: what was before is taken for traffic as now, and without failures, so that a
 * process that has just begun does not show a budget that a handful of failures used up
 */
export function levelStanding(
  { target }: Pick<ServiceLevel, 'target'>,
  shares: SharesByWindow,
  coveredMs: number = budgetPeriodMs,
): LevelStanding {
  const names = Object.keys(burnWindows) as BurnWindow[]
  const burn = Object.fromEntries(names.map((name) => [name, burnRate(target, shares[name])]))
  const counted = errorBudget(target, shares['30d'])
  const covered = Math.min(1, Math.max(0, coveredMs / budgetPeriodMs))
  const left = target === 1 ? counted.left : 1 - (1 - counted.left) * covered
  const standing = burn as LevelStanding['burn']
  return {
    total: shares['1h'].total,
    good: errorBudget(target, shares['1h']).good,
    left,
    burn: standing,
    urgency: decideBurn(target, shares),
    lastsMs: timeToExhaustion({ left, rate: standing['6h'], periodMs: budgetPeriodMs }),
  }
}
