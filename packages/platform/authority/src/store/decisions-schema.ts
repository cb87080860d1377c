import { parseJson, type JsonObject } from '@quantum-ip/base'
import { indexStatements } from '../decisions/decision-row.ts'
import type { Sql, SqlStatement } from './sql.ts'

/**
 * What decisions are found by. The records themselves stay in `decisions`, wide and read by ID alone; this is narrow, so that a walk
 * over a day reads little.
 *
 * Names (services, builds, logs …) stand here as 52 bits of their hash: a row is small, and no writer has to ask for a number.
 */
export const decisionsSchema: readonly string[] = [
  `CREATE TABLE decision_names (number INTEGER PRIMARY KEY, name TEXT NOT NULL)`,
  // `weight`: thousandths of the requests that the record stands for.
  `CREATE TABLE decision_index (
     id TEXT PRIMARY KEY, time_ms INTEGER NOT NULL, status INTEGER, reason INTEGER, action INTEGER, would_be INTEGER,
     service INTEGER, subject INTEGER, build INTEGER, token_log INTEGER, token_index INTEGER, attestation_log INTEGER,
     attestation_index INTEGER, point INTEGER, policy INTEGER, policy_version INTEGER, rule INTEGER, trace TEXT,
     head TEXT NOT NULL, weight INTEGER NOT NULL)`,
  `CREATE INDEX decision_index_by_time ON decision_index (time_ms)`,
  `CREATE INDEX decision_index_by_reason ON decision_index (reason, time_ms)`,
  `CREATE INDEX decision_index_by_service ON decision_index (service, time_ms)`,
  `CREATE INDEX decision_index_by_subject ON decision_index (subject, time_ms)`,
  `CREATE INDEX decision_index_by_build ON decision_index (build, time_ms)`,
  `CREATE INDEX decision_index_by_log ON decision_index (token_log, time_ms)`,
  `CREATE INDEX decision_index_by_token ON decision_index (token_log, token_index)`,
  `CREATE INDEX decision_index_by_attestation ON decision_index (attestation_log, attestation_index, time_ms)`,
  `CREATE INDEX decision_index_by_trace ON decision_index (trace) WHERE trace IS NOT NULL`,
  `CREATE INDEX decision_index_unlogged ON decision_index (time_ms) WHERE head = 'unlogged'`,
  // What enforcement points did not keep: without it, counts would be too small.
  `CREATE TABLE decision_suppressions (
     id TEXT PRIMARY KEY, point TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, from_ms INTEGER NOT NULL,
     to_ms INTEGER NOT NULL)`,
  `CREATE INDEX decision_suppressions_by_time ON decision_suppressions (to_ms)`,
  `DROP TABLE decision_tokens`,
  `DROP INDEX decisions_by_time`,
]

const pageMax = 2_000

/** Indexes the decisions that are there already. */
export async function indexOldDecisions(sql: Sql): Promise<readonly SqlStatement[]> {
  const heads = new Map<string, string>()
  for (const row of await sql.query("SELECT decision FROM decision_tokens WHERE head = 'unlogged'"))
    heads.set(row['decision'] as string, 'unlogged')
  const statements: SqlStatement[] = []
  for (let after = ''; ;) {
    const rows = await sql.query(
      'SELECT id, time_ms, reason, record FROM decisions WHERE id > ? ORDER BY id LIMIT ?',
      [after, pageMax],
    )
    const decisions = rows.map((row) => {
      const [id, timeMs, reason] = [row['id'] as string, row['time_ms'] as number, row['reason'] as string]
      const record = parseJson(row['record'] as string) as JsonObject
      const head = heads.get(id)
      return { id, timeMs, reason, record: head === undefined ? record : { ...record, head } }
    })
    statements.push(...indexStatements(decisions).statements)
    if (rows.length < pageMax) return statements
    after = rows.at(-1)?.['id'] as string
  }
}
