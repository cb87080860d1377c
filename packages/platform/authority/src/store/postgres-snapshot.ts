import type { Pool } from 'pg'
import { storeUnavailable } from './postgres-failures.ts'
import type { SqlRow, SqlSnapshot } from './sql.ts'

const rowsAtOnce = 32

/** Opens a snapshot: a transaction that reads, and sees the database as it was when it began. */
export async function openPostgresSnapshot(pool: Pool): Promise<SqlSnapshot> {
  const client = await pool.connect().catch((error: unknown) => {
    throw storeUnavailable(error, 'a snapshot is opened')
  })
  const run = async (sql: string): Promise<SqlRow[]> => {
    try {
      return (await client.query(sql)).rows as SqlRow[]
    } catch (error) {
      throw storeUnavailable(error, 'a snapshot is read')
    }
  }
  let cursors = 0
  try {
    await run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    // Between two batches the reader may take its time.
    await run('SET LOCAL idle_in_transaction_session_timeout = 0')
    await run('SELECT COUNT(*) FROM meta')
  } catch (error) {
    client.release(true)
    throw error
  }
  return {
    async *rows(sql) {
      const cursor = `snapshot${++cursors}`
      await run(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`)
      for (;;) {
        const batch = await run(`FETCH ${rowsAtOnce} FROM ${cursor}`)
        if (batch.length > 0) yield batch
        if (batch.length < rowsAtOnce) break
      }
      await run(`CLOSE ${cursor}`)
    },
    async close() {
      // Nothing was written: with the connection, the transaction ends.
      client.release(true)
    },
  }
}
