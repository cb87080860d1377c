import { encodeHead, type HeadRecord, type LogHead } from '@quantum-ip/trust'
import type { Sql, SqlStatement } from '../store/sql.ts'
import type { HeadBatch, SignedHead } from './pending-heads.ts'

/** A head of another instance, and with the last one of a batch the tree after it. */
export interface IssuedHead extends SignedHead {
  readonly tree: LogHead | undefined
}

/**
 * Makes the heads of an instance durable: whoever leads numbers them and lists them. Tokens under them need not wait for that.
 *
 * The same heads a second time (the answer of the first time was lost) change nothing: a head is made once for its place.
 */
export async function addIssuedHeads(sql: Sql, { heads, tree }: HeadBatch): Promise<void> {
  // What cannot be listed must not be stored.
  for (const { head } of heads) encodeHead(head)
  await sql.transact([
    {
      sql: `INSERT INTO issued_heads (origin, start_index, end_index, hash, exp, staple, tree_size, tree_root)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, start_index, end_index) DO NOTHING`,
      each: heads.map(({ head, staple }, i) => [
        head.origin,
        head.start,
        head.end,
        head.hash,
        head.exp,
        staple,
        i === heads.length - 1 ? tree.size : null,
        i === heads.length - 1 ? tree.hash : null,
      ]),
    },
  ])
}

/** Heads that nobody has numbered yet: of each log in the order of its batches. */
export async function readIssuedHeads(sql: Sql, limit: number): Promise<readonly IssuedHead[]> {
  const rows = await sql.query('SELECT * FROM issued_heads ORDER BY origin, end_index, start_index LIMIT ?', [
    limit,
  ])
  return rows.map((row) => ({
    head: {
      origin: row['origin'] as string,
      start: row['start_index'] as number,
      end: row['end_index'] as number,
      hash: row['hash'] as Uint8Array,
      exp: row['exp'] as number,
    },
    staple: row['staple'] as string,
    tree:
      row['tree_size'] === null
        ? undefined
        : { size: row['tree_size'] as number, hash: row['tree_root'] as Uint8Array },
  }))
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
