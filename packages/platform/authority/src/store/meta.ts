import type { Sql } from './sql.ts'

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
