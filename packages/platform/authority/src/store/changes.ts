import type { Sql, SqlStatement } from './sql.ts'

/** What several instances hold in memory, and must read again when one of them changed it. */
export type SharedMatter = 'keys'

/** Belongs into every transaction that changes a shared matter. */
export function changedStatement(matter: SharedMatter): SqlStatement {
  return {
    sql: `INSERT INTO changes (name, number) VALUES (?, 1)
          ON CONFLICT (name) DO UPDATE SET number = changes.number + 1`,
    params: [matter],
  }
}

/** How often a matter was changed: a number that is another one after each change. */
export async function readChange(sql: Sql, matter: SharedMatter): Promise<number> {
  const [row] = await sql.query('SELECT number FROM changes WHERE name = ?', [matter])
  return (row?.['number'] as number | undefined) ?? 0
}
