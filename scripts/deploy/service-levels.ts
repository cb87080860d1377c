// The service levels that rules are made from: the table of the telemetry, under the names that rules have for them.
import {
  budgetOf,
  burnEscalation,
  burnPairs,
  type BurnWindow,
  type LevelId,
  serviceLevel,
} from '@quantum-ip/telemetry'

function budget(id: LevelId): number {
  return budgetOf(serviceLevel(id).target)
}

/** How much may fail, as a share. */
export const errorBudgets = {
  /** M1: 99 % of attributable verifications succeed. */
  verification: budget('M1'),
  /** M3: less than 1 % of tokens are missing. */
  missing: budget('M3'),
  /** M4: less than 0.5 % is refused. */
  rejection: budget('M4'),
  /** M5: 99 % of attestations are fresh. */
  freshness: budget('M5'),
  /** M10: less than 0.1 % of what was flagged was flagged wrongly. */
  falsePositives: budget('M10'),
}

/** Bars of the requirement, in seconds. Ours are lower, and stand in the dashboards. */
export const latencyBars = { verification: 0.05, ledger: 0.1 } as const

/** M9: deep checks are made of this share, while nothing is wrong. */
export const samplingRange = { least: 0.05, most: 0.2 } as const

/** Spans of time over which error ratios are recorded. The budget is for 30 days. */
export const spans = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const satisfies readonly BurnWindow[]

/** 2 % of the 30 days' budget in an hour, or 5 % in six: somebody must look now. */
export const fastBurn = burnPairs.page

/** 10 % of it in a day, or in three: somebody must look, in working hours. */
export const slowBurn = burnPairs.ticket

/** The requirement's escalation: more than twice, for long. */
export const escalation = burnEscalation

/** Burnt budget below this many failures in an hour is noise: one failure of a service that is hardly called. */
export const leastFailuresPerHour = 10
