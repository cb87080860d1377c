import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import type { Sql, SqlRow } from './sql.ts'
import { openSqlite } from './sqlite.ts'

let folder = ''
let store: Sql

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-sqlite-'))
  store = await openSqlite(join(folder, 'a.db'), ['CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER, b BLOB)'])
})

after(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

test('keeps what a transaction wrote', async () => {
  await store.transact([{ sql: 'INSERT INTO t VALUES (?, ?, ?)', params: ['a', 1, new Uint8Array([1, 2])] }])
  const rows = await store.query('SELECT * FROM t WHERE k = ?', ['a'])
  assert.deepEqual({ ...rows[0] }, { k: 'a', v: 1, b: new Uint8Array([1, 2]) })
})

test('undoes the whole transaction if an expectation fails, and only that one of many', async () => {
  const good = store.transact([{ sql: 'INSERT INTO t VALUES (?, ?, NULL)', params: ['b', 1] }])
  const bad = store.transact([
    { sql: 'INSERT INTO t VALUES (?, ?, NULL)', params: ['c', 1] },
    { sql: 'UPDATE t SET v = 9 WHERE k = ? AND v = ?', params: ['b', 7], expect: 1, what: 'the row' },
  ])
  const also = store.transact([{ sql: 'INSERT INTO t VALUES (?, ?, NULL)', params: ['d', 1] }])
  await assert.rejects(bad, (error) => isQipError(error, 'QIP_AUTHORITY_CONFLICT'))
  await Promise.all([good, also])
  const rows = await store.query('SELECT k FROM t ORDER BY k')
  assert.deepEqual(
    rows.map((row) => row['k']),
    ['a', 'b', 'd'],
  )
})

test('a statement that fails is an error of its own transaction', async () => {
  const twice = store.transact([{ sql: 'INSERT INTO t VALUES (?, 1, NULL)', each: [['e'], ['e']] }])
  const fine = store.transact([{ sql: 'INSERT INTO t VALUES (?, 1, NULL)', params: ['f'] }])
  await assert.rejects(twice, (error) => isQipError(error, 'QIP_AUTHORITY_STORE_UNAVAILABLE'))
  await fine
  assert.equal((await store.query("SELECT * FROM t WHERE k IN ('e', 'f')")).length, 1)
})

test('refuses a second process, or here a second connection, on the same file', async () => {
  await assert.rejects(openSqlite(join(folder, 'a.db'), []), (error) =>
    isQipError(error, 'QIP_AUTHORITY_DATA_LOCKED'),
  )
})

test('says that it is closed', async () => {
  const other = await openSqlite(join(folder, 'b.db'), [])
  await other.close()
  await assert.rejects(
    async () => other.query('SELECT 1'),
    (error) => isQipError(error, 'QIP_AUTHORITY_STORE_UNAVAILABLE'),
  )
})

test('a snapshot is of one instant, and no transaction fails while it is made', async () => {
  const big = await openSqlite(join(folder, 'c.db'), [
    'CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB NOT NULL)',
    'CREATE TABLE pairs (k INTEGER PRIMARY KEY, number INTEGER NOT NULL)',
    'INSERT INTO pairs VALUES (1, 0), (2, 0)',
  ])
  const rows = Array.from({ length: 400 }, (_, k) => [k, new Uint8Array(40_000)] as const)
  await big.transact([{ sql: 'INSERT INTO t VALUES (?, ?)', each: rows }])
  const over = new AbortController()
  let written = 0
  // Half of them are undone, on purpose.
  const write = async (): Promise<void> => {
    const number = ++written
    const both = { sql: 'UPDATE pairs SET number = ?', params: [number], expect: number % 2 === 0 ? 2 : 3 }
    await big.transact([both]).catch((error: unknown) => {
      assert.ok(isQipError(error, 'QIP_AUTHORITY_CONFLICT'), String(error))
    })
    await big.query('SELECT COUNT(*) FROM pairs')
  }
  const writing = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) await write()
  })
  const seen = new Set<unknown>()
  for (let copy = 0; copy < 5; copy++) {
    for (const snapshot of await Promise.all([big.snapshot(), big.snapshot()])) {
      const found: SqlRow[] = []
      for await (const batch of snapshot.rows('SELECT number FROM pairs ORDER BY k')) found.push(...batch)
      assert.equal(found[0]?.['number'], found[1]?.['number'])
      assert.equal(Number(found[0]?.['number']) % 2, 0)
      seen.add(found[0]?.['number'])
      await snapshot.close()
    }
  }
  over.abort()
  await Promise.all(writing)
  await big.close()
  assert.ok(seen.size > 1, 'nothing was written meanwhile')
})
