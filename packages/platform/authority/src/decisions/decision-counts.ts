import type { Sql, SqlRow } from '../store/sql.ts'
import { hourMs, isSummed, nothing } from './decision-hours.ts'
import { type DecisionFilter, filterSql } from './decision-filter.ts'
import { wholeSum } from './whole-sum.ts'

/** What decisions can be counted by. */
export const groupings = [
  'service',
  'reason',
  'action',
  'wouldBe',
  'status',
  'subject',
  'build',
  'point',
  'policy',
  'policyVersion',
  'rule',
  'log',
  'hour',
  'day',
] as const

/** One of {@link groupings}. */
export type Grouping = (typeof groupings)[number]

/** Decisions that have these in common. */
export interface DecisionGroup {
  /** Name (or number, or the beginning of the hour or day in milliseconds) by grouping; `null` where the records have none. */
  readonly by: Readonly<Partial<Record<Grouping, string | number | null>>>
  /** Records. */
  readonly count: number
  /** Requests that they stand for: a sample of one in a hundred counts a hundred times. */
  readonly requests: number
  readonly firstMs: number
  readonly lastMs: number
}

/** What {@link countDecisions} found. */
export interface DecisionCounts {
  /** The largest first. */
  readonly groups: readonly DecisionGroup[]
  /** Over all groups, those left off included. */
  readonly count: number
  readonly requests: number
  /** Whether there are more groups than the most that are told apart. */
  readonly more: boolean
}

const columns: Readonly<Record<Grouping, string>> = {
  service: 'i.service',
  reason: 'i.reason',
  action: 'i.action',
  wouldBe: 'i.would_be',
  status: 'i.status',
  subject: 'i.subject',
  build: 'i.build',
  point: 'i.point',
  policy: 'i.policy',
  policyVersion: 'i.policy_version',
  rule: 'i.rule',
  log: 'i.token_log',
  hour: 'i.time_ms / 3600000',
  day: 'i.time_ms / 86400000',
}
const unitMs: Readonly<Partial<Record<Grouping, number>>> = { hour: 3_600_000, day: 86_400_000 }
const isNumber = new Set<Grouping>(['policyVersion', 'hour', 'day'])

const sliceRows = 50_000
const groupsMax = 10_000

interface Sum {
  readonly key: readonly (number | null)[]
  count: number
  weight: number
  firstMs: number
  lastMs: number
}

/**
 * Counts decisions: whole hours by their sums, where these know what is asked. The rest slice after slice of time: no statement runs
 * longer than a slice of 50,000 takes, so that a count over millions holds up nobody who issues tokens from the same store, and no
 * time limit of the database ends it.
 */
export async function countDecisions(
  sql: Sql,
  filter: DecisionFilter,
  by: readonly Grouping[],
): Promise<DecisionCounts> {
  const sums = new Map<string, Sum>()
  const total = { count: 0, weight: 0, more: false }
  const add = (rows: readonly SqlRow[]): void => {
    for (const row of rows) {
      const sum = readSum(row, by)
      total.count += sum.count
      total.weight += sum.weight
      total.more = !take(sums, sum) || total.more
    }
  }
  const hours = hoursOf(filter, by)
  if (hours === undefined) await addSlices(sql, { filter, by, add })
  else {
    add(await sumsOf(sql, { filter, by, hours }))
    // What is left of the first and of the last hour.
    const { sinceMs = 0, untilMs } = filter
    const [first, last] = [hours.from * hourMs, hours.before * hourMs]
    if (sinceMs < first) await addSlices(sql, { filter: { ...filter, untilMs: first }, by, add })
    if (untilMs !== undefined && last < untilMs)
      await addSlices(sql, { filter: { ...filter, sinceMs: last }, by, add })
  }
  const names = await namesOf(sql, by, [...sums.values()])
  const groups = [...sums.values()].map((sum) => groupOf(sum, by, names))
  return {
    groups: groups.sort((a, b) => b.requests - a.requests),
    count: total.count,
    requests: Math.round(total.weight / 1_000),
    more: total.more,
  }
}

interface Slices {
  readonly filter: DecisionFilter
  readonly by: readonly Grouping[]
  readonly add: (rows: readonly SqlRow[]) => void
}

async function addSlices(sql: Sql, { filter, by, add }: Slices): Promise<void> {
  for (let sinceMs = filter.sinceMs ?? 0; ;) {
    const untilMs = await endOfSlice(sql, { ...filter, sinceMs })
    add(await sliceOf(sql, { ...filter, sinceMs, untilMs: untilMs ?? filter.untilMs }, by))
    if (untilMs === undefined) return
    sinceMs = untilMs
  }
}

interface Hours {
  readonly from: number
  readonly before: number
}

const hourMax = Math.floor(Number.MAX_SAFE_INTEGER / hourMs)
const unsummed = new Set<Grouping>(['subject', 'build', 'log'])

/** The whole hours of a question that their sums can answer. */
function hoursOf(filter: DecisionFilter, by: readonly Grouping[]): Hours | undefined {
  const { sinceMs = 0, untilMs } = filter
  const from = Math.ceil(sinceMs / hourMs)
  const before = untilMs === undefined ? hourMax : Math.floor(untilMs / hourMs)
  if (from >= before || !isSummed(filter) || by.some((grouping) => unsummed.has(grouping))) return undefined
  return { from, before }
}

async function sumsOf(
  sql: Sql,
  {
    filter,
    by,
    hours,
  }: { readonly filter: DecisionFilter; readonly by: readonly Grouping[]; readonly hours: Hours },
): Promise<readonly SqlRow[]> {
  const { where, params } = filterSql({ ...filter, sinceMs: undefined, untilMs: undefined })
  const columnOf = (grouping: Grouping): string =>
    hourOf[grouping] ?? `NULLIF(${columns[grouping]}, ${nothing})`
  const keys = by.map((grouping, at) => `${columnOf(grouping)} AS k${at}, `).join('')
  const group = by.length === 0 ? '' : ` GROUP BY ${by.map((grouping) => columnOf(grouping)).join(', ')}`
  return sql.query(
    `SELECT ${keys}${wholeSum('i.count')} AS n, ${wholeSum('i.weight')} AS w, MIN(i.first_ms) AS f,
       MAX(i.last_ms) AS l
     FROM decision_hours i WHERE i.hour >= ? AND i.hour < ? AND ${where}${group}`,
    [hours.from, hours.before, ...params],
  )
}

const hourOf: Readonly<Partial<Record<Grouping, string>>> = { hour: 'i.hour', day: 'i.hour / 24' }

async function endOfSlice(sql: Sql, filter: DecisionFilter): Promise<number | undefined> {
  const { where, params } = filterSql(filter)
  const [row] = await sql.query(
    `SELECT i.time_ms FROM decision_index i WHERE ${where} ORDER BY i.time_ms LIMIT 1 OFFSET ${sliceRows}`,
    params,
  )
  // However many there are in one millisecond, the next slice begins later.
  return row && Math.max(row['time_ms'] as number, (filter.sinceMs ?? 0) + 1)
}

async function sliceOf(
  sql: Sql,
  filter: DecisionFilter,
  by: readonly Grouping[],
): Promise<readonly SqlRow[]> {
  const { where, params } = filterSql(filter)
  const keys = by.map((grouping, at) => `${columns[grouping]} AS k${at}, `).join('')
  const group = by.length === 0 ? '' : ` GROUP BY ${by.map((grouping) => columns[grouping]).join(', ')}`
  return sql.query(
    `SELECT ${keys}COUNT(*) AS n, ${wholeSum('i.weight')} AS w, MIN(i.time_ms) AS f, MAX(i.time_ms) AS l
     FROM decision_index i WHERE ${where}${group}`,
    params,
  )
}

function readSum(row: SqlRow, by: readonly Grouping[]): Sum {
  return {
    key: by.map((_, at) => row[`k${at}`] as number | null),
    count: (row['n'] as number | null) ?? 0,
    weight: (row['w'] as number | null) ?? 0,
    firstMs: (row['f'] as number | null) ?? 0,
    lastMs: (row['l'] as number | null) ?? 0,
  }
}

function take(sums: Map<string, Sum>, sum: Sum): boolean {
  if (sum.count === 0) return true
  const key = sum.key.join()
  const before = sums.get(key)
  if (before === undefined) {
    if (sums.size >= groupsMax) return false
    sums.set(key, sum)
    return true
  }
  before.count += sum.count
  before.weight += sum.weight
  before.firstMs = Math.min(before.firstMs, sum.firstMs)
  before.lastMs = Math.max(before.lastMs, sum.lastMs)
  return true
}

const namesMax = 500

async function namesOf(
  sql: Sql,
  by: readonly Grouping[],
  sums: readonly Sum[],
): Promise<ReadonlyMap<number, string>> {
  const wanted = new Set<number>()
  for (const [at, grouping] of by.entries()) {
    if (isNumber.has(grouping)) continue
    for (const { key } of sums) if (typeof key[at] === 'number') wanted.add(key[at])
  }
  const numbers = [...wanted]
  const names = new Map<number, string>()
  for (let at = 0; at < numbers.length; at += namesMax) {
    const some = numbers.slice(at, at + namesMax)
    const marks = some.map(() => '?').join(', ')
    const rows = await sql.query(`SELECT number, name FROM decision_names WHERE number IN (${marks})`, some)
    for (const { number, name } of rows) names.set(number as number, name as string)
  }
  return names
}

function groupOf(sum: Sum, by: readonly Grouping[], names: ReadonlyMap<number, string>): DecisionGroup {
  const entries = by.map((grouping, at) => {
    const value = sum.key[at] ?? null
    if (value === null) return [grouping, null]
    return [grouping, isNumber.has(grouping) ? value * (unitMs[grouping] ?? 1) : (names.get(value) ?? null)]
  })
  return {
    by: Object.fromEntries(entries) as DecisionGroup['by'],
    count: sum.count,
    requests: Math.round(sum.weight / 1_000),
    firstMs: sum.firstMs,
    lastMs: sum.lastMs,
  }
}
