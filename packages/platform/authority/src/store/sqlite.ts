import { Worker } from 'node:worker_threads'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql, SqlRow, SqlSnapshot, SqlStatement, SqlValue } from './sql.ts'
import { openSqliteSnapshot, removeSnapshot, snapshotFileOf } from './sqlite-snapshot.ts'
import type { SqliteAnswer, SqliteCall } from './sqlite-worker.ts'

// SQLite's primary result codes for "somebody else holds the lock".
const sqliteBusy = 5
const sqliteLocked = 6
// "The database disk image is malformed", and "file is not a database".
const sqliteCorrupt = 11
const sqliteNotADatabase = 26

interface Waiting {
  readonly resolve: (rows: readonly SqlRow[]) => void
  readonly reject: (error: Error) => void
}

/**
 * Opens an SQLite database as a store, on a thread of its own, and applies `schema` to it.
 *
 * WAL with full synchronisation: what a resolved `transact` wrote survives a power cut. The file is locked for this
 * process alone.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_DATA_LOCKED` if another process holds the file.
 * @throws {AuthorityError} `QIP_AUTHORITY_FILE_DAMAGED` if it is no database.
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` if it cannot be opened.
 */
export async function openSqlite(file: string, schema: readonly string[]): Promise<Sql> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./sqlite-worker.${extension}`, import.meta.url), {
    workerData: { file, schema },
  })
  const store = new SqliteStore(worker, file)
  await store.opened.catch(async (error: unknown) => {
    await worker.terminate()
    throw error
  })
  return store
}

class SqliteStore implements Sql {
  readonly opened: Promise<unknown>
  readonly #worker: Worker
  readonly #file: string
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #ended = false

  constructor(worker: Worker, file: string) {
    this.#worker = worker
    this.#file = file
    this.opened = new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }))
    worker.on('message', (answer: SqliteAnswer) => this.#answer(answer))
    worker.on('error', (error: Error) => this.#fail(error.message))
    worker.on('exit', () => this.#fail('it is closed'))
  }

  async query(sql: string, params: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    return this.#call((id) => ({ id, kind: 'query', sql, params }))
  }

  async transact(statements: readonly SqlStatement[]): Promise<void> {
    await this.#call((id) => ({ id, kind: 'transact', statements }))
  }

  async snapshot(): Promise<SqlSnapshot> {
    const copy = snapshotFileOf(this.#file)
    try {
      await this.#call((id) => ({ id, kind: 'copy', file: copy }))
      return openSqliteSnapshot(copy)
    } catch (error) {
      await removeSnapshot(copy)
      throw error
    }
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#call((id) => ({ id, kind: 'close' }))
    this.#ended = true
    await this.#worker.terminate()
  }

  #call(make: (id: number) => SqliteCall): Promise<readonly SqlRow[]> {
    if (this.#ended) {
      throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: 'it is closed' })
    }
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage(make(id))
    })
  }

  #answer(answer: SqliteAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (waiting === undefined) return
    if (answer.kind === 'done') waiting.resolve(answer.rows as readonly SqlRow[])
    else if (answer.kind === 'conflict') {
      waiting.reject(new AuthorityError('QIP_AUTHORITY_CONFLICT', { what: answer.what }))
    } else waiting.reject(this.#failure(answer))
  }

  #failure(answer: SqliteAnswer & { kind: 'failed' }): AuthorityError {
    const primary = Number(answer.code.split(':')[1]) % 256
    if (primary === sqliteBusy || primary === sqliteLocked) {
      return new AuthorityError('QIP_AUTHORITY_DATA_LOCKED', { folder: this.#file })
    }
    if (primary === sqliteCorrupt || primary === sqliteNotADatabase) {
      return new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', { file: this.#file, reason: answer.reason })
    }
    return new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: answer.reason })
  }

  #fail(reason: string): void {
    this.#ended = true
    for (const { reject } of this.#waiting.values()) {
      reject(new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason }))
    }
    this.#waiting.clear()
  }
}
