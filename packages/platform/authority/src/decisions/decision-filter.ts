import type { SqlValue } from '../store/sql.ts'
import { numberOfName } from './decision-names.ts'
import type { NameColumn } from './decision-row.ts'

/** What decisions are looked up by. All that is given must hold. */
export interface DecisionFilter {
  /** From then on, and before then; milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
  /** One of these. */
  readonly reasons?: readonly string[] | undefined
  readonly status?: string | undefined
  readonly action?: string | undefined
  readonly wouldBe?: string | undefined
  readonly service?: string | undefined
  readonly subject?: string | undefined
  /** SHA-256 in lowercase hexadecimal. */
  readonly build?: string | undefined
  /** Log of the token, and with it the index of one. */
  readonly log?: string | undefined
  readonly index?: number | undefined
  /** What the verdict relied on beyond the listed heads: `unlogged` are the ones that a stolen key got through. */
  readonly head?: 'provisional' | 'unlogged' | undefined
  readonly attestationLog?: string | undefined
  readonly attestationIndex?: number | undefined
  readonly point?: string | undefined
  readonly policy?: string | undefined
  readonly policyVersion?: number | undefined
  readonly rule?: string | undefined
  /** 32 hexadecimal characters. */
  readonly trace?: string | undefined
}

/** A condition over `decision_index`, as `i`. */
export interface FilterSql {
  readonly where: string
  readonly params: readonly SqlValue[]
}

interface Term {
  readonly sql: string
  readonly params: readonly SqlValue[]
}

/**
 * The condition for a filter.
 *
 * One term is left to the index, the others carry a `+`, which keeps both engines from using theirs: it is known here which of them
 * finds fewest, and no engine has to guess it from statistics that it may not have.
 */
export function filterSql(filter: DecisionFilter): FilterSql {
  const drivers = driversOf(filter)
  const rest = restOf(filter)
  const [driver = [], ...others] = drivers
  const terms = [
    ...driver,
    ...timeTerms(filter),
    ...[...others.flat(), ...rest].map((term) => unindexed(term)),
  ]
  return {
    where: terms.length === 0 ? 'TRUE' : terms.map(({ sql }) => sql).join(' AND '),
    params: terms.flatMap(({ params }) => params),
  }
}

/** What has an index, those that find fewest first. */
function driversOf(filter: DecisionFilter): readonly (readonly Term[])[] {
  const { trace, log, index, attestationLog, attestationIndex, reasons = [], head } = filter
  const one = reasons.length === 1 ? reasons[0] : undefined
  const candidates: readonly (readonly (Term | undefined)[])[] = [
    [trace === undefined ? undefined : { sql: 'i.trace = ?', params: [trace] }],
    index === undefined ? [] : [named('token_log', log), numbered('token_index', index)],
    attestationIndex === undefined
      ? []
      : [named('attestation_log', attestationLog), numbered('attestation_index', attestationIndex)],
    [head === 'unlogged' ? { sql: "i.head = 'unlogged'", params: [] } : undefined],
    [named('build', filter.build)],
    [named('subject', filter.subject)],
    index === undefined ? [named('token_log', log)] : [],
    attestationIndex === undefined ? [named('attestation_log', attestationLog)] : [],
    one === 'ok' ? [] : [named('reason', one)],
    [named('service', filter.service)],
    one === 'ok' ? [named('reason', one)] : [],
  ]
  return candidates
    .map((terms) => terms.filter((term) => term !== undefined))
    .filter((terms) => terms.length > 0)
}

function restOf(filter: DecisionFilter): readonly Term[] {
  const { reasons = [], head } = filter
  const terms = [
    named('status', filter.status),
    named('action', filter.action),
    named('would_be', filter.wouldBe),
    named('point', filter.point),
    named('policy', filter.policy),
    numbered('policy_version', filter.policyVersion),
    named('rule', filter.rule),
    head === 'provisional' ? { sql: "i.head = 'provisional'", params: [] } : undefined,
    reasons.length < 2
      ? undefined
      : {
          sql: `i.reason IN (${reasons.map(() => '?').join(', ')})`,
          params: reasons.map((reason) => numberOfName(reason)),
        },
  ]
  return terms.filter((term) => term !== undefined)
}

function timeTerms({ sinceMs, untilMs }: DecisionFilter): readonly Term[] {
  return [
    ...(sinceMs === undefined ? [] : [{ sql: 'i.time_ms >= ?', params: [sinceMs] }]),
    ...(untilMs === undefined ? [] : [{ sql: 'i.time_ms < ?', params: [untilMs] }]),
  ]
}

function named(column: NameColumn, name: string | undefined): Term | undefined {
  return name === undefined ? undefined : { sql: `i.${column} = ?`, params: [numberOfName(name)] }
}

function numbered(column: string, value: number | undefined): Term | undefined {
  return value === undefined ? undefined : { sql: `i.${column} = ?`, params: [value] }
}

// Texts have no `+`; they are never many.
function unindexed({ sql, params }: Term): Term {
  return { sql: /^i\.(?:trace|head) /.test(sql) ? sql : `+${sql}`, params }
}
