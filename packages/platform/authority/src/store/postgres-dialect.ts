import type { SqlStatement, SqlValue } from './sql.ts'

/** One call of the protocol: text with `$1 …` and its values. */
export interface PostgresCall {
  readonly text: string
  readonly values: readonly SqlValue[]
}

/** A message of the protocol numbers its parameters with 16 bits. */
const valuesMax = 30_000
const rowsMax = 1_000

/** What makes or changes a table, in the words of PostgreSQL. What is called INTEGER there has 64 bits. */
export function postgresSchema(statement: string): string {
  if (!/^\s*(?:CREATE|ALTER) /.test(statement)) return statement
  return statement
    .replaceAll(/\bINTEGER\b/g, 'BIGINT')
    .replaceAll(/\bBLOB\b/g, 'BYTEA')
    .replace(/\)\s*WITHOUT ROWID\s*$/, ')')
}

/** Numbers the `?` of a statement, those in quotes excepted. What only `IS NULL` is asked of has no type by itself. */
export function numberPlaceholders(sql: string): string {
  let number = 0
  return sql.replaceAll(/'(?:[^']|'')*'|\?(\s+IS (?:NOT )?NULL)?/g, (found, test: string | undefined) => {
    if (!found.startsWith('?')) return found
    number += 1
    return test === undefined ? `$${number}` : `CAST($${number} AS TEXT)${test}`
  })
}

const insertForm = /^([^']*\bVALUES )(\((?:\?, )*\?\))([^?']*)$/s
const whereForm = /^(DELETE FROM [^?']* WHERE \w+) = \?$/s

/** The calls that a statement of a transaction is made with: what runs for many parameter lists is put together. */
export function callsOf({ sql, params = [], each }: SqlStatement): readonly PostgresCall[] {
  if (each === undefined) return [{ text: numberPlaceholders(postgresSchema(sql)), values: params }]
  const insert = insertForm.exec(sql)
  const where = insert === null ? whereForm.exec(sql) : null
  if (insert === null && where === null) {
    const text = numberPlaceholders(sql)
    return each.map((values) => ({ text, values }))
  }
  const rows = Math.max(1, Math.min(rowsMax, Math.floor(valuesMax / Math.max(1, each[0]?.length ?? 1))))
  const calls: PostgresCall[] = []
  for (let at = 0; at < each.length; at += rows) {
    const chunk = each.slice(at, at + rows)
    const joined =
      insert === null
        ? `${where?.[1]} IN (${chunk.map(() => '?').join(', ')})`
        : `${insert[1]}${chunk.map(() => insert[2]).join(', ')}${insert[3]}`
    calls.push({ text: numberPlaceholders(joined), values: chunk.flat() })
  }
  return calls
}
