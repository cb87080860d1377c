import type { LogHead } from '@quantum-ip/trust'
import type { Sql, SqlStatement } from '../store/sql.ts'

/** A state as it was published, for those who pass it on. */
export interface StoredPublication {
  readonly seq: number
  readonly timeMs: number
  readonly epoch: number
  /** The number of the last head that it confirms. */
  readonly head: number
  readonly state: string
  /** Where it is new with this state. */
  readonly bundle: string | undefined
}

/** How long states are kept for those who pass them on: whoever was away for longer begins with the newest one. */
const keptMs = 120_000

/** Keeps a publication with the position that it takes. */
export function publicationStatements(publication: StoredPublication): readonly SqlStatement[] {
  const { seq, timeMs, epoch, head, state, bundle } = publication
  return [
    {
      sql: 'INSERT INTO publications (seq, time_ms, epoch, head, state, bundle) VALUES (?, ?, ?, ?, ?, ?)',
      params: [seq, timeMs, epoch, head, state, bundle ?? null],
    },
    // The newest state and the bundle that it rests on stay, however old they are.
    {
      sql: `DELETE FROM publications WHERE time_ms < ? AND seq < (SELECT MAX(seq) FROM publications)
            AND (bundle IS NULL OR seq < (SELECT MAX(seq) FROM publications WHERE bundle IS NOT NULL))`,
      params: [timeMs - keptMs],
    },
  ]
}

/** The publications after `seq`, in order. */
export async function readPublications(sql: Sql, seq: number): Promise<readonly StoredPublication[]> {
  const rows = await sql.query('SELECT * FROM publications WHERE seq > ? ORDER BY seq LIMIT 64', [seq])
  return rows.map((row) => ({
    seq: row['seq'] as number,
    timeMs: row['time_ms'] as number,
    epoch: row['epoch'] as number,
    head: row['head'] as number,
    state: row['state'] as string,
    bundle: (row['bundle'] as string | null) ?? undefined,
  }))
}

/** The newest publication, and the bundle that it rests on; `undefined` where nothing was published yet. */
export async function readNewest(
  sql: Sql,
): Promise<(StoredPublication & { readonly bundle: string }) | undefined> {
  const rows = await sql.query(
    `SELECT * FROM publications WHERE seq >= (SELECT MAX(seq) FROM publications WHERE bundle IS NOT NULL) ORDER BY seq`,
  )
  const [first, last] = [rows[0], rows.at(-1)]
  if (first === undefined || last === undefined) return undefined
  return {
    seq: last['seq'] as number,
    timeMs: last['time_ms'] as number,
    epoch: last['epoch'] as number,
    head: last['head'] as number,
    state: last['state'] as string,
    bundle: first['bundle'] as string,
  }
}

/** Keeps how far token logs were shown, with the state that shows them. */
export function listedStatement(trees: ReadonlyMap<string, LogHead>): SqlStatement {
  return {
    sql: `INSERT INTO listed_logs (origin, size, root) VALUES (?, ?, ?)
          ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root`,
    each: [...trees].map(([origin, { size, hash }]) => [origin, size, hash]),
  }
}

/** How far token logs were shown. */
export async function readListed(sql: Sql): Promise<Map<string, LogHead>> {
  const rows = await sql.query('SELECT origin, size, root FROM listed_logs')
  return new Map(
    rows.map((row) => [
      row['origin'] as string,
      { size: row['size'] as number, hash: row['root'] as Uint8Array },
    ]),
  )
}
