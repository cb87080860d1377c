import { concatBytes, isQipError } from '@quantum-ip/base'
import {
  emptyRoot,
  type LogCommit,
  LogError,
  type LogHead,
  type LogStorage,
  sliceEntryBundle,
} from '@quantum-ip/log'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql, SqlStatement } from './sql.ts'

/**
 * One log in the store. Its safety is the first statement of {@link LogStorage.commit}: the head's row changes only where
 * size and root are the expected ones, and with it the whole transaction.
 *
 * @param alongside what is to be written in the same transaction as a batch: rows about its entries
 */
export function sqlLogStorage(
  sql: Sql,
  origin: string,
  alongside: (commit: LogCommit) => readonly SqlStatement[] = () => [],
): LogStorage {
  return {
    head: () => readHead(sql, origin),
    async commit(commit) {
      try {
        await sql.transact([...commitStatements(origin, commit), ...alongside(commit)])
        return 'committed'
      } catch (error) {
        if (isQipError(error, 'QIP_AUTHORITY_CONFLICT')) return 'conflict'
        // Nothing was written, and nobody moved the log: whoever leads now takes the entries.
        if (isQipError(error, 'QIP_AUTHORITY_NO_LEADER'))
          throw new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin }, { cause: error })
        throw error
      }
    },
    async readTile(level, index) {
      const [row] = await sql.query(
        'SELECT hashes FROM log_tiles WHERE origin = ? AND level = ? AND tile = ?',
        [origin, level, index],
      )
      return row?.['hashes'] as Uint8Array | undefined
    },
    readEntries: (start, end) => readEntries(sql, origin, { start, end }),
  }
}

/** Makes the row of a log that has no entries yet. Making it twice changes nothing. */
export function createLogStatement(origin: string): SqlStatement {
  return {
    sql: "INSERT INTO log_heads (origin, size, root, state) VALUES (?, 0, ?, 'open') ON CONFLICT (origin) DO NOTHING",
    params: [origin, emptyRoot()],
  }
}

/** Whether a log takes nothing more. */
export async function isLogClosed(sql: Sql, origin: string): Promise<boolean> {
  const [row] = await sql.query('SELECT state FROM log_heads WHERE origin = ?', [origin])
  return row?.['state'] === 'closed'
}

async function readHead(sql: Sql, origin: string): Promise<LogHead> {
  const [row] = await sql.query('SELECT size, root FROM log_heads WHERE origin = ?', [origin])
  if (row === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `log \`${origin}\`` })
  return { size: row['size'] as number, root: row['root'] as Uint8Array }
}

function commitStatements(
  origin: string,
  { expected, next, entries, tiles }: LogCommit,
): readonly SqlStatement[] {
  return [
    {
      sql: "UPDATE log_heads SET size = ?, root = ? WHERE origin = ? AND size = ? AND root = ? AND state = 'open'",
      params: [next.size, next.root, origin, expected.size, expected.root],
      expect: 1,
      what: `the head of ${origin}`,
    },
    {
      sql: 'INSERT INTO log_entries (origin, first, count, data) VALUES (?, ?, ?, ?)',
      params: [origin, expected.size, next.size - expected.size, entries],
    },
    {
      sql: `INSERT INTO log_tiles (origin, level, tile, hashes) VALUES (?, ?, ?, ?)
            ON CONFLICT (origin, level, tile) DO UPDATE SET hashes = excluded.hashes`,
      each: tiles.map(({ level, index, hashes }) => [origin, level, index, hashes]),
    },
  ]
}

async function readEntries(
  sql: Sql,
  origin: string,
  range: { start: number; end: number },
): Promise<Uint8Array> {
  const rows = await sql.query(
    `SELECT first, count, data FROM log_entries WHERE origin = ? AND first < ? AND first >= (
       SELECT MAX(first) FROM log_entries WHERE origin = ? AND first <= ?) ORDER BY first`,
    [origin, range.end, origin, range.start],
  )
  const first = (rows[0]?.['first'] as number | undefined) ?? 0
  const all = concatBytes(...rows.map((row) => row['data'] as Uint8Array))
  return sliceEntryBundle(all, range.start - first, range.end - first)
}
