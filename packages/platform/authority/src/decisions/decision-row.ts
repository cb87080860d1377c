import type { Json, JsonObject } from '@quantum-ip/base'
import type { SqlStatement, SqlValue } from '../store/sql.ts'
import { type Counted, hourColumns } from './decision-hours.ts'
import { numberOfName } from './decision-names.ts'

/** A decision as an enforcement point reported it: the record, and what it is looked up by. */
export interface ReportedDecision {
  readonly id: string
  readonly timeMs: number
  readonly reason: string
  readonly record: JsonObject
}

/** The columns of the index that hold names, and where a record has them. */
export const nameColumns = {
  status: (record) => record['status'],
  reason: (record) => record['reason'],
  action: (record) => record['action'],
  would_be: (record) => record['wouldBe'],
  service: (record) => record['service'],
  subject: (record) => record['subject'],
  build: (record) => inside(record['build'], 'digest'),
  token_log: (record) => inside(record['token'], 'log'),
  attestation_log: (record) => inside(record['attestation'], 'log'),
  point: (record) => record['point'],
  policy: (record) => inside(record['policy'], 'name'),
  rule: (record) => record['rule'],
} as const satisfies Record<string, (record: JsonObject) => Json | undefined>

const numberColumns = {
  token_index: (record) => inside(record['token'], 'index'),
  attestation_index: (record) => inside(record['attestation'], 'index'),
  policy_version: (record) => inside(record['policy'], 'version'),
} as const satisfies Record<string, (record: JsonObject) => Json | undefined>

/** A column of the index that holds a name. */
export type NameColumn = keyof typeof nameColumns

const names = Object.entries(nameColumns)
const numbers = Object.entries(numberColumns)
const columns = ['id', 'time_ms', ...names.map(([name]) => name), ...numbers.map(([name]) => name)].concat([
  'trace',
  'head',
  'weight',
])
const insertRow = `INSERT INTO decision_index (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
  ON CONFLICT (id) DO NOTHING`
const insertName = 'INSERT INTO decision_names (number, name) VALUES (?, ?) ON CONFLICT (number) DO NOTHING'

const nameCharsMax = 1_024
const sharesMin = 1e-6

/** What makes decisions findable. */
export interface IndexStatements {
  readonly statements: readonly SqlStatement[]
  /** The decisions as they count in their hours. */
  readonly counted: readonly Counted[]
  /** The names that are written with them. */
  readonly names: readonly string[]
}

/**
 * The statements that index decisions. `known` are names that are surely there already.
 *
 * Records are kept as members write them, so nothing of them is sure to be there: what has another form than it should is not indexed.
 */
export function indexStatements(
  decisions: readonly ReportedDecision[],
  known: ReadonlySet<string> = new Set(),
): IndexStatements {
  const found = new Map<string, number>()
  const rows = decisions.map((decision) => rowOf(decision, found))
  // In one order, or two who write the same names would wait for each other.
  const fresh = [...found].filter(([name]) => !known.has(name)).sort(([, a], [, b]) => a - b)
  return {
    statements: [
      { sql: insertName, each: fresh.map(([name, number]) => [number, name]) },
      { sql: insertRow, each: rows, expect: rows.length, what: 'a reported decision' },
    ],
    names: fresh.map(([name]) => name),
    counted: rows.map((row) => countedRow(row)),
  }
}

const places = Object.fromEntries(columns.map((name, at) => [name, at]))

function countedRow(row: readonly SqlValue[]): Counted {
  const values = hourColumns.map((name) => [name, row[places[name] as number] ?? null])
  return {
    timeMs: row[1] as number,
    columns: Object.fromEntries(values) as Counted['columns'],
    count: 1,
    weight: row.at(-1) as number,
  }
}

function rowOf({ id, timeMs, reason, record }: ReportedDecision, found: Map<string, number>): SqlValue[] {
  const named = names.map(([column, of]) => {
    // What it is listed by is what it was reported with.
    const name = column === 'reason' ? reason : of(record)
    if (typeof name !== 'string' || name === '' || name.length > nameCharsMax) return null
    const number = numberOfName(name)
    found.set(name, number)
    return number
  })
  const counted = numbers.map(([, of]) => wholeNumber(of(record)))
  const { traceId, head } = record
  const trace = typeof traceId === 'string' && /^[0-9a-f]{32}$/.test(traceId) ? traceId : null
  return [id, timeMs, ...named, ...counted, trace, headOf(head), weightOf(record)]
}

function headOf(head: Json | undefined): string {
  return head === 'unlogged' || head === 'provisional' ? head : ''
}

/** Thousandths of the requests that a record stands for. */
function weightOf({ share, head }: JsonObject): number {
  if (head === 'unlogged' || typeof share !== 'number' || !(share > 0 && share <= 1)) return 1_000
  return Math.round(1_000 / Math.max(share, sharesMin))
}

function wholeNumber(value: Json | undefined): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

function inside(value: Json | undefined, name: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value[name] : undefined
}
