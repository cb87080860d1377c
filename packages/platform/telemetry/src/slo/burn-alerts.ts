import { burnRate, type Share } from './error-budget.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** Spans that service levels are counted over, and how long each is in milliseconds. */
export const burnWindows = {
  '5m': 5 * minuteMs,
  '30m': 30 * minuteMs,
  '1h': hourMs,
  '2h': 2 * hourMs,
  '6h': 6 * hourMs,
  '1d': dayMs,
  '3d': 3 * dayMs,
  '30d': 30 * dayMs,
} as const

/** One of {@link burnWindows}. */
export type BurnWindow = keyof typeof burnWindows

/** What error budgets are for. */
export const budgetPeriodMs = burnWindows['30d']

/** What was counted in each span. */
export type SharesByWindow = Readonly<Record<BurnWindow, Share>>

/** A pair of spans: the long one says that it matters, the short one that it still goes on. */
export interface BurnPair {
  readonly long: BurnWindow
  readonly short: BurnWindow
  /** How many times faster than the budget allows. */
  readonly times: number
}

/** What is to be done about a burn: wake somebody, or have somebody look in working hours. */
export type BurnUrgency = 'page' | 'ticket'

/**
 * When a budget burns too fast. 14.4 times for an hour is 2 % of the 30 days' budget, 6 times for six hours 5 %, 3 times for a day 10 %,
 * once for three days 10 %.
 */
export const burnPairs: Readonly<Record<BurnUrgency, readonly BurnPair[]>> = {
  page: [
    { long: '1h', short: '5m', times: 14.4 },
    { long: '6h', short: '30m', times: 6 },
  ],
  ticket: [
    { long: '1d', short: '2h', times: 3 },
    { long: '3d', short: '6h', times: 1 },
  ],
}

/** The requirement's escalation: more than twice, for long. */
export const burnEscalation: BurnPair = { long: '6h', short: '30m', times: 2 }

/** Whether both spans of a pair burn faster than it allows. */
export function isBurning(target: number, shares: SharesByWindow, { long, short, times }: BurnPair): boolean {
  return burnRate(target, shares[long]) > times && burnRate(target, shares[short]) > times
}

/** What is to be done about how a budget burns; `undefined`: nothing. */
export function decideBurn(target: number, shares: SharesByWindow): BurnUrgency | undefined {
  const burns = (urgency: BurnUrgency) => burnPairs[urgency].some((pair) => isBurning(target, shares, pair))
  if (burns('page')) return 'page'
  return burns('ticket') ? 'ticket' : undefined
}
