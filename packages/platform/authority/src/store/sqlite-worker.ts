// The thread that owns the SQLite connection. `node:sqlite` is synchronous, and a WAL checkpoint was seen to hold its
// caller for 40 ms: on a thread of its own it holds nobody else.
//
// Transactions that arrive while one is being committed share the next commit (each in a savepoint of its own), so that
// the cost of one disk flush is spread over all who wait for it.
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { SqlStatement, SqlValue } from './sql.ts'

/** A call from the main thread. */
export type SqliteCall =
  | {
      readonly id: number
      readonly kind: 'query'
      readonly sql: string
      readonly params: readonly SqlValue[]
    }
  | { readonly id: number; readonly kind: 'transact'; readonly statements: readonly SqlStatement[] }
  | { readonly id: number; readonly kind: 'copy'; readonly file: string }
  | { readonly id: number; readonly kind: 'close' }

/** Its answer. `conflict`: undone, on purpose. `failed`: the outcome is unknown to the caller. */
export type SqliteAnswer =
  | { readonly id: number; readonly kind: 'done'; readonly rows: readonly unknown[] }
  | { readonly id: number; readonly kind: 'conflict'; readonly what: string }
  | { readonly id: number; readonly kind: 'failed'; readonly reason: string; readonly code: string }

class Conflict extends Error {}

if (parentPort === null) throw new TypeError('the SQLite worker runs as a worker thread')
const port = parentPort

const { file, schema } = workerData as { file: string; schema: readonly string[] }
const statements = new Map<string, StatementSync>()
const queue: SqliteCall[] = []
let database: DatabaseSync | undefined
let scheduled = false
let copying = false

try {
  database = open()
  port.postMessage({ id: 0, kind: 'done', rows: [] } satisfies SqliteAnswer)
} catch (error) {
  port.postMessage(failure(0, error))
}

port.on('message', (call: SqliteCall) => {
  queue.push(call)
  schedule()
})

function schedule(): void {
  if (scheduled || copying) return
  scheduled = true
  setImmediate(drain)
}

function open(): DatabaseSync {
  const opened = new DatabaseSync(file)
  // Exclusive: a second process on the same directory gets an error instead of a second writer.
  opened.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  opened.exec('BEGIN IMMEDIATE')
  for (const sql of schema) opened.exec(sql)
  opened.exec('COMMIT')
  return opened
}

function drain(): void {
  scheduled = false
  while (queue.length > 0 && !copying) {
    const call = queue.shift() as SqliteCall
    if (call.kind === 'copy') void answerCopy(call)
    else if (call.kind === 'close') close(call)
    else answer(call)
  }
}

function answer(call: SqliteCall & { kind: 'query' | 'transact' }): void {
  if (call.kind === 'transact') transactTogether(call)
  else answerQuery(call)
}

function close(call: SqliteCall): void {
  database?.close()
  database = undefined
  port.postMessage({ id: call.id, kind: 'done', rows: [] } satisfies SqliteAnswer)
  port.close()
}

function answerQuery(call: SqliteCall & { kind: 'query' }): void {
  try {
    const rows = prepared(call.sql).all(...(call.params as SQLInputValue[]))
    port.postMessage({ id: call.id, kind: 'done', rows } satisfies SqliteAnswer)
  } catch (error) {
    port.postMessage(failure(call.id, error))
  }
}

// Pages for one step of a copy: 1 MiB. A step works on the connection from another thread, and one that also runs statements
// then was seen to fail (`not an error`): so statements wait for the end of the step, 1 ms, and run between two of them. What
// they write goes into the copy, too.
const copyPages = 256

async function answerCopy({ id, file }: SqliteCall & { kind: 'copy' }): Promise<void> {
  copying = true
  try {
    await backup(connection(), file, { rate: copyPages, progress: answerBetweenSteps })
    port.postMessage({ id, kind: 'done', rows: [] } satisfies SqliteAnswer)
  } catch (error) {
    port.postMessage(failure(id, error))
  } finally {
    copying = false
    schedule()
  }
}

function answerBetweenSteps(): void {
  // Another copy, and the end, wait until this one is done.
  const held: SqliteCall[] = []
  while (queue.length > 0) {
    const call = queue.shift() as SqliteCall
    if (call.kind === 'copy' || call.kind === 'close') held.push(call)
    else answer(call)
  }
  queue.push(...held)
}

/** Runs `first` and every transaction queued right behind it under one commit. */
function transactTogether(first: SqliteCall & { kind: 'transact' }): void {
  const answers: SqliteAnswer[] = []
  const running = [first.id]
  try {
    connection().exec('BEGIN IMMEDIATE')
    answers.push(runOne(first))
    while (queue[0]?.kind === 'transact') {
      const next = queue.shift() as SqliteCall & { kind: 'transact' }
      running.push(next.id)
      answers.push(runOne(next))
    }
    connection().exec('COMMIT')
  } catch (error) {
    rollback()
    answers.length = 0
    for (const id of running) answers.push(failure(id, error))
  }
  for (const answer of answers) port.postMessage(answer)
}

function runOne(call: SqliteCall & { kind: 'transact' }): SqliteAnswer {
  const database = connection()
  database.exec('SAVEPOINT one')
  try {
    for (const statement of call.statements) runStatement(statement)
    database.exec('RELEASE one')
    return { id: call.id, kind: 'done', rows: [] }
  } catch (error) {
    if (!database.isTransaction) throw error
    database.exec('ROLLBACK TO one; RELEASE one')
    return error instanceof Conflict
      ? { id: call.id, kind: 'conflict', what: error.message }
      : failure(call.id, error)
  }
}

function runStatement(statement: SqlStatement): void {
  const ready = prepared(statement.sql)
  let changes = 0
  for (const params of statement.each ?? [statement.params ?? []]) {
    changes += Number(ready.run(...(params as SQLInputValue[])).changes)
  }
  if (statement.expect !== undefined && changes !== statement.expect) {
    throw new Conflict(statement.what ?? 'a row')
  }
}

function rollback(): void {
  try {
    if (database?.isTransaction === true) database.exec('ROLLBACK')
  } catch {
    // The connection is beyond use; the next call says so.
  }
}

function prepared(sql: string): StatementSync {
  let ready = statements.get(sql)
  if (ready === undefined) {
    ready = connection().prepare(sql)
    statements.set(sql, ready)
  }
  return ready
}

function connection(): DatabaseSync {
  if (database === undefined) throw new TypeError('the store is closed')
  return database
}

function failure(id: number, error: unknown): SqliteAnswer {
  const { message, code, errcode } = error as { message?: string; code?: string; errcode?: number }
  return { id, kind: 'failed', reason: message ?? 'unknown', code: `${code ?? ''}:${errcode ?? ''}` }
}
