import type { HeadRecord } from '@quantum-ip/trust'
import type { Sql, SqlStatement } from '../store/sql.ts'
import { headColumns, headOf, headValues, type SignedHead, type StoredHead } from './head-rows.ts'
import type { HeadBatch } from './pending-heads.ts'

/** A head of another instance, and with the last one of a batch the tree after it. */
export type IssuedHead = SignedHead & StoredHead

/**
 * Makes the heads of an instance durable: whoever leads numbers them and lists them. Tokens under them need not wait for that.
 *
 * The same heads a second time (the answer of the first time was lost) change nothing: a head is made once for its place.
 */
export async function addIssuedHeads(sql: Sql, { heads, tree }: HeadBatch): Promise<void> {
  await sql.transact([
    {
      sql: `INSERT INTO issued_heads (${headColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (origin, start_index, end_index) DO NOTHING`,
      each: heads.map((signed, i) => headValues(signed, i === heads.length - 1 ? tree : undefined)),
    },
  ])
}

/** Heads that nobody has numbered yet: of each log in the order of its batches. */
export async function readIssuedHeads(sql: Sql, limit: number): Promise<readonly IssuedHead[]> {
  const rows = await sql.query('SELECT * FROM issued_heads ORDER BY origin, end_index, start_index LIMIT ?', [
    limit,
  ])
  return rows.map((row) => Object.assign(headOf(row), { staple: row['staple'] as string }))
}

/** Takes heads out of those that are not numbered; all or none of them must be there. */
export function dropIssuedStatement(heads: readonly HeadRecord[]): SqlStatement {
  return {
    sql: 'DELETE FROM issued_heads WHERE origin = ? AND start_index = ? AND end_index = ?',
    each: heads.map(({ origin, start, end }) => [origin, start, end]),
    expect: heads.length,
    what: 'the heads of other instances',
  }
}
