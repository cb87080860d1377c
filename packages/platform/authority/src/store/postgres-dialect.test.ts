import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callsOf, numberPlaceholders, postgresSchema } from './postgres-dialect.ts'

test('numbers the parameters, and leaves what is in quotes', () => {
  assert.equal(
    numberPlaceholders("SELECT '?', 'it''s ?' FROM t WHERE a = ? AND (? IS NULL OR b = ?)"),
    "SELECT '?', 'it''s ?' FROM t WHERE a = $1 AND (CAST($2 AS TEXT) IS NULL OR b = $3)",
  )
})

test('makes tables in the words of PostgreSQL, and leaves other statements', () => {
  assert.equal(
    postgresSchema('CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB) WITHOUT ROWID'),
    'CREATE TABLE t (a BIGINT PRIMARY KEY, b BYTEA)',
  )
  assert.equal(postgresSchema("SELECT 'INTEGER'"), "SELECT 'INTEGER'")
})

test('rows of one statement are put together, as many as a message holds', () => {
  const sql = 'INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO NOTHING'
  const [call, ...others] = callsOf({
    sql,
    each: [
      [1, 2],
      [3, 4],
    ],
  })
  assert.deepEqual(call, {
    text: 'INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT (a) DO NOTHING',
    values: [1, 2, 3, 4],
  })
  assert.equal(others.length, 0)
  assert.equal(callsOf({ sql, each: Array.from({ length: 2_001 }, (_, nth) => [nth, nth]) }).length, 3)
  assert.deepEqual(callsOf({ sql: 'DELETE FROM t WHERE a = ?', each: [[1], [2]] }), [
    { text: 'DELETE FROM t WHERE a IN ($1, $2)', values: [1, 2] },
  ])
  assert.equal(
    callsOf({
      sql: 'UPDATE t SET a = ? WHERE b = ?',
      each: [
        [1, 2],
        [3, 4],
      ],
    }).length,
    2,
  )
  assert.deepEqual(callsOf({ sql, each: [] }), [])
})
