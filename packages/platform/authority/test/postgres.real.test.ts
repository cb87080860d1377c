import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isQipError, systemClock } from '@quantum-ip/base'
import { logStorageCases } from '../../../core/log/test/storage-cases.ts'
import { openPostgresServer, type PostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { Acts } from '../src/acts.ts'
import { checkDurability } from '../src/store/postgres-durability.ts'
import { openPostgres } from '../src/store/postgres.ts'
import { wholeSchema } from '../src/store/migrations.ts'
import { metaSchema } from '../src/store/schema.ts'
import type { Sql } from '../src/store/sql.ts'
import { LossyProxy } from './lossy-proxy.ts'
import { createLogStatement, sqlLogStorage } from '../src/store/sql-log-storage.ts'

const logTables = wholeSchema().filter((table) => / log_/.test(table))
const origin = 'acme.example/log/1'
const isConflict = (error: unknown): boolean => isQipError(error, 'QIP_AUTHORITY_CONFLICT')
const isUnavailable = (error: unknown): boolean => isQipError(error, 'QIP_AUTHORITY_STORE_UNAVAILABLE')

suite('a store on PostgreSQL', { skip: postgresSkip }, () => {
  let server: PostgresServer
  let sql: Sql
  before(async () => {
    server = await openPostgresServer()
    sql = await openPostgres({ url: server.url }, [
      'CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v INTEGER, b BLOB)',
    ])
  })
  after(async () => {
    await sql?.close()
    await server?.[Symbol.asyncDispose]()
  })

  test('keeps what a transaction wrote, integers and bytes as they were', async () => {
    const bytes = new Uint8Array([0, 1, 255])
    await sql.transact([
      { sql: 'INSERT INTO t VALUES (?, ?, ?)', params: ['a', Number.MAX_SAFE_INTEGER, bytes] },
    ])
    const [row] = await sql.query('SELECT * FROM t WHERE k = ?', ['a'])
    assert.deepEqual({ ...row }, { k: 'a', v: Number.MAX_SAFE_INTEGER, b: bytes })
  })

  test('undoes the whole transaction if an expectation fails', async () => {
    await sql.transact([{ sql: 'INSERT INTO t VALUES (?, ?, NULL)', params: ['b', 1] }])
    const bad = sql.transact([
      { sql: 'INSERT INTO t VALUES (?, ?, NULL)', params: ['c', 1] },
      { sql: 'UPDATE t SET v = 9 WHERE k = ? AND v = ?', params: ['b', 7], expect: 1, what: 'the row' },
    ])
    await assert.rejects(bad, isConflict)
    assert.equal((await sql.query("SELECT * FROM t WHERE k = 'c'")).length, 0)
  })

  test('one of many who compare and set the same row wins', async () => {
    await sql.transact([{ sql: "INSERT INTO t VALUES ('cas', 0, NULL)" }])
    const raced = await Promise.allSettled(
      Array.from({ length: 40 }, (_, nth) =>
        sql.transact([{ sql: "UPDATE t SET v = ? WHERE k = 'cas' AND v = 0", params: [nth + 1], expect: 1 }]),
      ),
    )
    assert.equal(raced.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.ok(raced.every((one) => one.status === 'fulfilled' || isConflict(one.reason)))
  })

  test('runs a transaction again that was in a deadlock', async () => {
    await sql.transact([{ sql: 'INSERT INTO t VALUES (?, 0, NULL)', each: [['x'], ['y']] }])
    const crossing = Array.from({ length: 4 }, (_, nth) =>
      sql.transact(
        (nth % 2 === 0 ? ['x', 'y'] : ['y', 'x']).map((k) => ({
          sql: 'UPDATE t SET v = v + 1 WHERE k = ?',
          params: [k],
          expect: 1,
        })),
      ),
    )
    await Promise.all(crossing)
    const rows = await sql.query("SELECT v FROM t WHERE k IN ('x', 'y')")
    assert.deepEqual(
      rows.map(({ v }) => v),
      [4, 4],
    )
  })

  test('writes and deletes many rows, the expectation counting all of them', async () => {
    const rows = Array.from({ length: 2_500 }, (_, nth) => [`many-${nth}`, nth])
    await sql.transact([{ sql: 'INSERT INTO t (k, v) VALUES (?, ?)', each: rows, expect: 2_500 }])
    await sql.transact([
      { sql: 'DELETE FROM t WHERE k = ?', each: rows.map(([k]) => [k as string]), expect: 2_500 },
    ])
    assert.equal((await sql.query("SELECT * FROM t WHERE k LIKE 'many-%'")).length, 0)
  })

  test('a statement that fails is an error of its own transaction, and its text shows no value', async () => {
    const twice = sql.transact([{ sql: 'INSERT INTO t VALUES (?, 1, NULL)', each: [['secret'], ['secret']] }])
    const fine = sql.transact([{ sql: 'INSERT INTO t VALUES (?, 1, NULL)', params: ['f'] }])
    await assert.rejects(
      twice,
      (error) => isUnavailable(error) && !(error as Error).message.includes('secret'),
    )
    await fine
  })

  test('a commit whose answer is lost is made once, and one that is lost itself is made after all', async () => {
    const proxy = await LossyProxy.open(server.port)
    const behind = await openPostgres(
      { url: server.url.replace(String(server.port), String(proxy.port)), statementTimeoutMs: 1_000 },
      [],
    )
    for (const fault of ['answer', 'message'] as const) {
      await behind.transact([{ sql: 'INSERT INTO t VALUES (?, 0, NULL)', params: [fault] }])
      let faults = 1
      proxy.fault = () => (faults-- > 0 ? fault : undefined)
      await behind.transact([{ sql: 'UPDATE t SET v = v + 1 WHERE k = ?', params: [fault], expect: 1 }])
      assert.ok(faults < 1)
      proxy.fault = () => undefined
      assert.equal((await behind.query('SELECT v FROM t WHERE k = ?', [fault]))[0]?.['v'], 1)
    }
    await behind.close()
    proxy.close()
  })

  test('does not answer while a lost commit may still come: not before the row of its connection is free', async () => {
    const proxy = await LossyProxy.open(server.port)
    const url = server.url.replace(String(server.port), String(proxy.port))
    const behind = await openPostgres({ url, statementTimeoutMs: 3_000 }, [])
    let faults = 1
    proxy.fault = () => (faults-- > 0 ? 'message' : undefined)
    let isDone = false
    const done = behind
      .transact([{ sql: "INSERT INTO t VALUES ('late', 1, NULL)" }])
      .finally(() => (isDone = true))
    // The server holds the transaction open: its COMMIT never came.
    const open = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    const isHeld = async (): Promise<boolean> => faults < 1 && (await server.run(open)) === '1'
    for (let waits = 0; waits < 200 && !(await isHeld()); waits++) await pause(10)
    // Whoever answers too soon has done so by now.
    await pause(150)
    assert.equal(isDone, false)
    await done
    assert.equal((await sql.query("SELECT * FROM t WHERE k = 'late'")).length, 1)
    await behind.close()
    proxy.close()
  })

  test('goes on with new connections after the server crashed', async () => {
    await server.kill()
    await assert.rejects(sql.transact([{ sql: "INSERT INTO t VALUES ('down', 1, NULL)" }]), isUnavailable)
    await server.start()
    await sql.transact([{ sql: "INSERT INTO t VALUES ('up', 1, NULL)" }])
    assert.equal((await sql.query("SELECT * FROM t WHERE k IN ('up', 'down')")).length, 1)
  })

  test('a commit waits for the disk also where the role is set not to', async () => {
    await server.run('ALTER ROLE qip SET synchronous_commit = off')
    const other = await openPostgres({ url: server.url }, metaSchema)
    await other.transact([{ sql: 'DELETE FROM meta' }])
    const [row] = await other.query("SELECT current_setting('synchronous_commit') AS mode")
    assert.equal(row?.['mode'], 'on')
    await other.close()
    await server.run('ALTER ROLE qip RESET synchronous_commit')
  })

  test('says, or refuses, that no standby is waited for', async () => {
    assert.match((await checkDurability(sql, false)) ?? '', /synchronous_standby_names/)
    await assert.rejects(checkDurability(sql, true), (error) =>
      isQipError(error, 'QIP_AUTHORITY_STORE_NOT_SYNCHRONOUS'),
    )
  })

  test('every statement of the schema makes its table', async () => {
    const other = await openPostgres({ url: server.url }, wholeSchema())
    const [row] = await other.query("SELECT COUNT(*) AS tables FROM pg_tables WHERE tablename = 'log_heads'")
    assert.equal(row?.['tables'], 1)
    await other.close()
  })

  test('acts that many record at once are numbered without gaps', async () => {
    const acts = new Acts(sql, systemClock)
    await Promise.all(Array.from({ length: 20 }, (_, nth) => acts.record('ann', 'test', { nth })))
    assert.deepEqual(
      (await acts.list(100)).map(({ number }) => number),
      Array.from({ length: 20 }, (_, nth) => 20 - nth),
    )
  })

  test('a snapshot shows one instant, in batches, while writing goes on', async () => {
    await sql.transact([
      {
        sql: 'INSERT INTO meta (name, value) VALUES (?, ?)',
        each: Array.from({ length: 100 }, (_, nth) => [`s${nth}`, '']),
      },
    ])
    const snapshot = await sql.snapshot()
    await sql.transact([{ sql: "DELETE FROM meta WHERE name LIKE 's%'" }])
    const rows: unknown[][] = []
    for await (const batch of snapshot.rows("SELECT name FROM meta WHERE name LIKE 's%' ORDER BY name"))
      rows.push([...batch])
    assert.deepEqual([rows.length > 1, rows.flat().length], [true, 100])
    await snapshot.close()
  })

  test('says that it is closed', async () => {
    const other = await openPostgres({ url: server.url }, [])
    await other.close()
    await assert.rejects(async () => other.query('SELECT 1'), isUnavailable)
  })
})

if (postgresSkip === false) {
  const server = await openPostgresServer()
  after(() => server[Symbol.asyncDispose]())
  let databases = 0
  logStorageCases('PostgreSQL', async () => {
    const name = `log${++databases}`
    await server.run(`CREATE DATABASE ${name} OWNER qip`)
    const url = server.url.replace(/qip$/, name)
    let sql = await openPostgres({ url }, logTables)
    await sql.transact([createLogStatement(origin)])
    return {
      storage: sqlLogStorage(sql, origin),
      async reopen() {
        await sql.close()
        sql = await openPostgres({ url }, [])
        return sqlLogStorage(sql, origin)
      },
      close: () => sql.close(),
    }
  })
}
