import { setTimeout as pause } from 'node:timers/promises'
import type { Pool, PoolClient, QueryResult } from 'pg'
import { AuthorityError } from '../authority-errors.ts'
import {
  connectionsSchema,
  type Marked,
  openPool,
  type PostgresOptions,
  takeConnection,
} from './postgres-connection.ts'
import { callsOf, numberPlaceholders, type PostgresCall, postgresSchema } from './postgres-dialect.ts'
import { failureOf, sqlStateOf, storeUnavailable } from './postgres-failures.ts'
import { openPostgresSnapshot } from './postgres-snapshot.ts'
import type { Sql, SqlRow, SqlSnapshot, SqlStatement, SqlValue } from './sql.ts'

const collisionsMax = 20
const reconnectionsMax = 3
const dayMs = 24 * 3_600_000

/** Two processes that make the same table at once: one of them gets one of these, and finds the table the next time. */
const madeMeanwhile = new Set(['23505', '42P07', '42710', 'XX000', '40001', '40P01'])

/**
 * Opens a PostgreSQL database as a store, and applies `schema` to it.
 *
 * Each transaction counts itself in a row of its connection. If the connection breaks while the commit is under way, the row is
 * written by another connection: that waits until the first one is through or undone, on any engine that locks rows, and
 * then the count says which. So `transact` answers truly, or not before it can.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function openPostgres(options: PostgresOptions, schema: readonly string[]): Promise<Sql> {
  const pool = openPool(options)
  try {
    await createTables(pool, [...connectionsSchema, ...schema.map((statement) => postgresSchema(statement))])
    // One that cannot be removed now is removed another time.
    await pool
      .query('DELETE FROM store_connections WHERE opened_ms < $1', [Date.now() - dayMs])
      .catch(() => undefined)
    return new PostgresStore(pool)
  } catch (error) {
    await pool.end().catch(() => undefined)
    throw storeUnavailable(error, 'it is opened')
  }
}

async function createTables(pool: Pool, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    for (let attempt = 1; ; attempt++) {
      try {
        await pool.query(statement)
        break
      } catch (error) {
        if (attempt >= 5 || !madeMeanwhile.has(sqlStateOf(error) ?? '')) throw error
        await pause(20 * attempt)
      }
    }
  }
}

/** What an attempt at a transaction came to; what it threw with, where it was not made. */
type Attempt =
  | { readonly kind: 'committed' }
  | { readonly kind: 'collided' | 'disconnected' | 'refused'; readonly error: unknown }

class PostgresStore implements Sql {
  readonly #pool: Pool
  readonly #names = new Map<string, string>()
  #closed = false

  constructor(pool: Pool) {
    this.#pool = pool
  }

  async query(sql: string, params: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    this.#checkOpen()
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await this.#pool.query(
          this.#prepared({ text: numberPlaceholders(sql), values: params }),
        )
        return result.rows as SqlRow[]
      } catch (error) {
        const again = failureOf(error) !== 'refused' && attempt < reconnectionsMax
        if (!again || this.#closed) throw storeUnavailable(error, 'reading')
        await pause(50 * attempt)
      }
    }
  }

  async transact(statements: readonly SqlStatement[]): Promise<void> {
    let collisions = 0
    let disconnections = 0
    for (;;) {
      this.#checkOpen()
      const attempt = await this.#attempt(statements)
      if (attempt.kind === 'committed') return
      const again =
        (attempt.kind === 'collided' && ++collisions < collisionsMax) ||
        (attempt.kind === 'disconnected' && ++disconnections < reconnectionsMax)
      if (!again || this.#closed) throw storeUnavailable(attempt.error, 'writing')
      // Those who collided must not meet again.
      await pause(Math.random() * 10 * 2 ** Math.min(collisions, 5) + 50 * disconnections)
    }
  }

  async snapshot(): Promise<SqlSnapshot> {
    this.#checkOpen()
    return openPostgresSnapshot(this.#pool)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#pool.end()
  }

  #checkOpen(): void {
    if (this.#closed) throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: 'it is closed' })
  }

  async #attempt(statements: readonly SqlStatement[]): Promise<Attempt> {
    let marked: Marked | undefined
    try {
      marked = await takeConnection(this.#pool)
      await this.#write(marked, statements)
    } catch (error) {
      // COMMIT was not sent: whatever becomes of the connection, nothing of it was made.
      await leave(marked?.client, error)
      if (error instanceof AuthorityError) throw error
      return { kind: failureOf(error), error }
    }
    return this.#commit(marked)
  }

  /** All of a transaction but its COMMIT. @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` */
  async #write(marked: Marked, statements: readonly SqlStatement[]): Promise<void> {
    const { client, id } = marked
    marked.transactions += 1
    // Answered before anything follows: behind a BEGIN that failed, statements would count one by one.
    const [, counted] = await queryAll(
      client,
      `BEGIN; UPDATE store_connections SET transactions = ${marked.transactions} WHERE id = '${id}'`,
    )
    if (counted?.rowCount !== 1) throw new Error('the row of this connection is gone')
    const answers = statements.map((statement) =>
      Promise.allSettled(callsOf(statement).map((call) => client.query(this.#prepared(call)))),
    )
    for (const [nth, answer] of answers.entries()) {
      const settled = await answer
      // Those behind a failure fail, too, and say less.
      const failed = settled.find((one) => one.status === 'rejected')
      if (failed !== undefined) {
        await Promise.allSettled(answers)
        throw failed.reason
      }
      const changed = settled.reduce(
        (sum, one) => sum + (one.status === 'fulfilled' ? (one.value.rowCount ?? 0) : 0),
        0,
      )
      const { expect, what = 'a row' } = statements[nth] as SqlStatement
      if (expect !== undefined && changed !== expect) {
        await Promise.allSettled(answers)
        throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what })
      }
    }
  }

  async #commit(marked: Marked): Promise<Attempt> {
    try {
      if (await commit(marked.client)) {
        marked.client.release()
        return { kind: 'committed' }
      }
      marked.client.release(true)
    } catch (error) {
      marked.client.release(true)
      // Undone, says the server.
      if (sqlStateOf(error) !== undefined && failureOf(error) === 'collided')
        return { kind: 'collided', error }
    }
    return (await this.#isCommitted(marked))
      ? { kind: 'committed' }
      : { kind: 'disconnected', error: new Error('the commit was not made') }
  }

  /** Finds out what became of the last transaction of a connection that is lost: as long as it takes. */
  async #isCommitted({ id, transactions }: Marked): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closed)
        throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: 'it is closed' })
      const found = await this.#readCount(id).catch(() => undefined)
      if (found !== undefined) return found === transactions
      await pause(Math.min(1_000, 50 * attempt))
    }
  }

  /**
   * The count in the row of a connection. The row is written first: that waits for whoever holds it; and the commit of this write
   * is after the other one in every standby. -1: this database has no such row, and never had the transaction.
   */
  async #readCount(id: string): Promise<number | undefined> {
    const client = await this.#pool.connect()
    let isSound = false
    try {
      await client.query('BEGIN')
      await client.query('UPDATE store_connections SET settled = settled + 1 WHERE id = $1', [id])
      const { rows } = await client.query('SELECT transactions FROM store_connections WHERE id = $1', [id])
      if (!(await commit(client))) return undefined
      isSound = true
      return (rows[0] as { transactions: number } | undefined)?.transactions ?? -1
    } finally {
      client.release(!isSound)
    }
  }

  /** A statement that is sent often is parsed once by each connection. What is put together from many rows is not. */
  #prepared({ text, values }: PostgresCall): { text: string; values: SqlValue[]; name?: string } {
    if (values.length > 64) return { text, values: [...values] }
    let name = this.#names.get(text)
    if (name === undefined && this.#names.size < 1_000) {
      name = `qip${this.#names.size}`
      this.#names.set(text, name)
    }
    return { text, values: [...values], ...(name !== undefined && { name }) }
  }
}

/** Gives a connection back whose transaction is not to be. */
async function leave(client: PoolClient | undefined, error: unknown): Promise<void> {
  if (client === undefined) return
  const isSound =
    error instanceof AuthorityError || failureOf(error) === 'collided' || failureOf(error) === 'refused'
  try {
    if (isSound) await client.query('ROLLBACK')
    client.release(!isSound)
  } catch {
    client.release(true)
  }
}

/**
 * Commits. The time limit of statements does not count here: it would end the wait for the standby, and the server would answer
 * that it had committed.
 *
 * @returns false if the server says more than that it did: that the wait for the standby was ended, for one
 */
async function commit(client: PoolClient): Promise<boolean> {
  let isNoticed = false
  const notice = (): void => {
    isNoticed = true
  }
  client.on('notice', notice)
  try {
    const results = await queryAll(client, 'SET LOCAL statement_timeout = 0; COMMIT')
    return !isNoticed && results.at(-1)?.command === 'COMMIT'
  } finally {
    client.off('notice', notice)
  }
}

/** Several statements in one message: one result for each. */
async function queryAll(client: PoolClient, text: string): Promise<readonly QueryResult[]> {
  return (await client.query(text)) as unknown as readonly QueryResult[]
}
