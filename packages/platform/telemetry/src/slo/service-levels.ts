import type { Reason } from '@quantum-ip/verifier'
import { reasons, statusByReason } from '../closed-sets.ts'
import type { MetricName } from '../metric-table.ts'

/** The indicators of service that have a target, by the numbers of the requirement. */
export type LevelId = 'M1' | 'M2' | 'M3' | 'M4' | 'M5' | 'M6' | 'M7' | 'M10'

/** A condition on the labels of a series: one of these values. */
export type Matching = Readonly<Record<string, readonly string[]>>

/** What of a metric's series is summed up; of a histogram, what took at most `atMost` seconds, or all of it. */
export interface Counted {
  readonly metric: MetricName
  readonly where?: Matching
  readonly atMost?: number
}

/** How failures and what they are a share of are counted. `total` less `good` is what failed, where `bad` is not counted by itself. */
export interface LevelCounts {
  readonly total: Counted
  readonly bad?: Counted
  readonly good?: Counted
}

/** One service level. */
export interface ServiceLevel {
  readonly id: LevelId
  readonly title: string
  /** Share of what is counted that must be good; what is left is the error budget. */
  readonly target: number
  /** The target as it was asked for. */
  readonly asked: string
  /** What is counted. */
  readonly unit: string
  /** Whether it is counted for each service, or for the whole of a process. */
  readonly of: 'service' | 'fleet'
  /** Events are counted as they come; a gauge is looked at once a minute. */
  readonly kind: 'events' | 'gauge'
  readonly counts: LevelCounts
}

/**
 * Reasons that anybody on the internet can have at will: no token, or something that is none. They are nobody's failure, so they are
 * in no service level.
 */
export const unattributableReasons: readonly Reason[] = ['token_absent', 'token_malformed']

const attributable = reasons.filter((reason) => !unattributableReasons.includes(reason))
const verified = reasons.filter((reason) => statusByReason[reason] === 'verified')
const carriedOut = ['canary', 'enforce']
const verifications = { metric: 'verifications_total', where: { reason: attributable } } as const

/**
 * Every service level: what is counted, and which share of it must be good. Latencies are counted as the share within the bar, so that
 * they have a budget like the others; the bars are the requirement's, ours are lower (1 ms and 5 ms).
 */
export const serviceLevels: readonly ServiceLevel[] = [
  {
    id: 'M1',
    title: 'verification success',
    target: 0.99,
    asked: '99 %',
    unit: 'verifications',
    of: 'service',
    kind: 'events',
    counts: {
      total: verifications,
      bad: {
        metric: 'verifications_total',
        where: { reason: attributable.filter((reason) => !verified.includes(reason)) },
      },
    },
  },
  {
    id: 'M2',
    title: 'verification latency',
    target: 0.95,
    asked: 'p95 < 50 ms',
    unit: 'verifications',
    of: 'fleet',
    kind: 'events',
    counts: {
      total: { metric: 'verification_duration_seconds' },
      good: { metric: 'verification_duration_seconds', atMost: 0.05 },
    },
  },
  {
    id: 'M3',
    title: 'missing tokens',
    target: 0.99,
    asked: '< 1 %',
    unit: 'verifications',
    of: 'service',
    kind: 'events',
    counts: {
      total: verifications,
      bad: { metric: 'verifications_total', where: { reason: ['token_stripped', 'token_truncated'] } },
    },
  },
  {
    id: 'M4',
    title: 'rejections',
    target: 0.995,
    asked: '< 0.5 %',
    unit: 'verifications',
    of: 'service',
    kind: 'events',
    counts: {
      total: verifications,
      bad: {
        metric: 'decisions_total',
        where: { action: ['reject'], mode: carriedOut, reason: attributable },
      },
    },
  },
  {
    id: 'M5',
    title: 'fresh attestations',
    target: 0.99,
    asked: '99 %',
    unit: 'verifications',
    of: 'service',
    kind: 'events',
    counts: {
      total: { metric: 'verifications_total', where: { reason: [...verified, 'attestation_stale'] } },
      bad: { metric: 'verifications_total', where: { reason: ['attestation_stale'] } },
    },
  },
  {
    id: 'M6',
    title: 'current keys',
    target: 1,
    asked: '100 %',
    unit: 'member minutes',
    of: 'fleet',
    kind: 'gauge',
    counts: { total: { metric: 'fleet_members' }, good: { metric: 'fleet_members_current' } },
  },
  {
    id: 'M7',
    title: 'ledger look-ups',
    target: 0.95,
    asked: 'p95 < 100 ms',
    unit: 'look-ups',
    of: 'fleet',
    kind: 'events',
    counts: {
      total: { metric: 'ledger_lookup_duration_seconds' },
      good: { metric: 'ledger_lookup_duration_seconds', atMost: 0.1 },
    },
  },
  {
    id: 'M10',
    title: 'false positives',
    target: 0.999,
    asked: '< 0.1 %',
    unit: 'refusals',
    of: 'fleet',
    kind: 'events',
    counts: {
      total: {
        metric: 'decisions_total',
        where: { action: ['reject', 'quarantine'], mode: carriedOut },
      },
      bad: { metric: 'adjudications_total', where: { outcome: ['false_positive'] } },
    },
  },
]

/** The service level of this number. */
export function serviceLevel(id: LevelId): ServiceLevel {
  const found = serviceLevels.find((level) => level.id === id)
  if (found === undefined) throw new TypeError(`no service level ${id}`)
  return found
}

/** The metrics that service levels are counted from. */
export const levelMetrics: readonly MetricName[] = [
  ...new Set(
    serviceLevels.flatMap(({ counts: { total, bad, good } }) =>
      [total, bad, good].flatMap((counted) => (counted === undefined ? [] : [counted.metric])),
    ),
  ),
]
