// The service levels that rules are made from.

/** How much may fail, as a share. */
export const errorBudgets = {
  /** M1: 99 % of attributable verifications succeed. */
  verification: 0.01,
  /** M3: less than 1 % of tokens are missing. */
  missing: 0.01,
  /** M4: less than 0.5 % is refused. */
  rejection: 0.005,
  /** M5: 99 % of attestations are fresh. */
  freshness: 0.01,
  /** M10: less than 0.1 % of what was flagged was flagged wrongly. */
  falsePositives: 0.001,
} as const

/** Bars of the requirement, in seconds. Ours are lower, and stand in the dashboards. */
export const latencyBars = { verification: 0.05, ledger: 0.1 } as const

/** M9: deep checks are made of this share, while nothing is wrong. */
export const samplingRange = { least: 0.05, most: 0.2 } as const

/** Spans of time over which error ratios are recorded. The budget is for 30 days. */
export const spans = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const

/** One of them. */
export type Span = (typeof spans)[number]

/** A pair of spans: the long one says that it matters, the short one that it still goes on. */
export interface BurnPair {
  readonly long: Span
  readonly short: Span
  /** How many times faster than the budget allows. */
  readonly times: number
}

/** 2 % of the 30 days' budget in an hour, or 5 % in six: somebody must look now. */
export const fastBurn: readonly BurnPair[] = [
  { long: '1h', short: '5m', times: 14.4 },
  { long: '6h', short: '30m', times: 6 },
]

/** 10 % of it in a day, or in three: somebody must look, in working hours. */
export const slowBurn: readonly BurnPair[] = [
  { long: '1d', short: '2h', times: 3 },
  { long: '3d', short: '6h', times: 1 },
]

/** The requirement's escalation: more than twice, for long. */
export const escalation: BurnPair = { long: '6h', short: '30m', times: 2 }

/** Burnt budget below this many failures in an hour is noise: one failure of a service that is hardly called. */
export const leastFailuresPerHour = 10
