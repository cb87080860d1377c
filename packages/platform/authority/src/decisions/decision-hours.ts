import type { Sql, SqlRow, SqlStatement, SqlValue } from '../store/sql.ts'
import type { DecisionFilter } from './decision-filter.ts'

/** The columns of the index by which decisions are summed up for each hour, in the order of the key. */
export const hourColumns = [
  'status',
  'reason',
  'action',
  'would_be',
  'service',
  'point',
  'policy',
  'policy_version',
  'rule',
] as const

/** One of {@link hourColumns}. */
export type HourColumn = (typeof hourColumns)[number]

/** What stands for nothing: part of a key, so that it cannot be null. No version is negative, and no name has this number. */
export const nothing = -1

/** Milliseconds of an hour. */
export const hourMs = 3_600_000

/** A decision, or a change of one, as it counts in its hour. */
export interface Counted {
  readonly timeMs: number
  readonly columns: Readonly<Record<HourColumn, SqlValue>>
  readonly count: number
  readonly weight: number
}

const key = `hour, ${hourColumns.join(', ')}`
const earlier = (name: string, sign: string): string =>
  `${name} = CASE WHEN excluded.${name} ${sign} decision_hours.${name} THEN excluded.${name} ELSE decision_hours.${name} END`
const upsert = `INSERT INTO decision_hours (${key}, count, weight, first_ms, last_ms)
  VALUES (${Array.from({ length: hourColumns.length + 5 }, () => '?').join(', ')})
  ON CONFLICT (${key}) DO UPDATE SET count = decision_hours.count + excluded.count,
    weight = decision_hours.weight + excluded.weight, ${earlier('first_ms', '<')}, ${earlier('last_ms', '>')}`

/** The statement that adds decisions to the sums of their hours. */
export function hourStatement(counted: readonly Counted[]): SqlStatement {
  const sums = new Map<
    string,
    { key: SqlValue[]; count: number; weight: number; first: number; last: number }
  >()
  for (const { timeMs, columns, count, weight } of counted) {
    const values = [Math.floor(timeMs / hourMs), ...hourColumns.map((name) => columns[name] ?? nothing)]
    const name = values.join()
    const sum = sums.get(name)
    if (sum === undefined) {
      sums.set(name, { key: values, count, weight, first: timeMs, last: timeMs })
      continue
    }
    sum.count += count
    sum.weight += weight
    sum.first = Math.min(sum.first, timeMs)
    sum.last = Math.max(sum.last, timeMs)
  }
  // In one order, or two who write the same hours would wait for each other.
  const ordered = [...sums].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    sql: upsert,
    each: ordered.map(([, { key: of, count, weight, first, last }]) => of.concat(count, weight, first, last)),
  }
}

/** What is known already of these decisions, by ID. */
export async function knownDecisions(sql: Sql, ids: readonly string[]): Promise<ReadonlyMap<string, SqlRow>> {
  const known = new Map<string, SqlRow>()
  for (let at = 0; at < ids.length; at += 500) {
    const some = ids.slice(at, at + 500)
    const rows = await sql.query(
      `SELECT id, time_ms, head, weight, ${hourColumns.join(', ')} FROM decision_index
       WHERE id IN (${some.map(() => '?').join(', ')})`,
      some,
    )
    for (const row of rows) known.set(row['id'] as string, row)
  }
  return known
}

/** Of a decision that is known, what its becoming `unlogged` changes: it counts for itself from then on. */
export function unloggedChange(row: SqlRow): Counted {
  const columns = Object.fromEntries(hourColumns.map((name) => [name, row[name] ?? null]))
  return {
    timeMs: row['time_ms'] as number,
    columns: columns as Counted['columns'],
    count: 0,
    weight: 1_000 - (row['weight'] as number),
  }
}

const summed = new Set<keyof DecisionFilter>([
  'sinceMs',
  'untilMs',
  'reasons',
  'status',
  'action',
  'wouldBe',
  'service',
  'point',
  'policy',
  'policyVersion',
  'rule',
])

/** Whether the sums of hours can answer what a filter asks for. */
export function isSummed(filter: DecisionFilter): boolean {
  return Object.entries(filter).every(
    ([name, value]) => value === undefined || summed.has(name as keyof DecisionFilter),
  )
}
