import type { Sql, SqlStatement } from './sql.ts'

/** Stands in a database for as long as a backup is being restored into it. */
export const restoringMark = 'restoring'

/** A single value that is kept under a name. */
export async function readMeta(sql: Sql, name: string): Promise<string | undefined> {
  const [row] = await sql.query('SELECT value FROM meta WHERE name = ?', [name])
  return row?.['value'] as string | undefined
}

/** Writes a single value under a name. */
export function writeMetaStatement(name: string, value: string): { sql: string; params: readonly string[] } {
  return {
    sql: 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    params: [name, value],
  }
}

/** Replaces a single value, where it is still the one that was read: else the transaction is undone. */
export function moveMetaStatement(name: string, from: string | undefined, to: string): SqlStatement {
  const expectation = { expect: 1, what: name }
  if (from === undefined) {
    const sql = 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING'
    return { sql, params: [name, to], ...expectation }
  }
  return {
    sql: 'UPDATE meta SET value = ? WHERE name = ? AND value = ?',
    params: [to, name, from],
    ...expectation,
  }
}
