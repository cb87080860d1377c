import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { readBackupFile } from '../src/backup/backup-file.ts'
import { loadBackup } from '../src/backup/load-backup.ts'
import { migrate } from '../src/store/migrate.ts'
import { dataVersion, type Migration, migrations, wholeSchema } from '../src/store/migrations.ts'
import { metaSchema, schemaOfVersion1 } from '../src/store/schema.ts'
import type { Sql } from '../src/store/sql.ts'
import { openSqlite } from '../src/store/sqlite.ts'
import { layOutVersion1 } from './fixtures/data-of-version-1.ts'
import { FlakySql } from './flaky-sql.ts'
import { Follower, issue, openIn, placesIn } from './support.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-migrations-'))
})

afterEach(() => rm(folder, { recursive: true }))

const database = (): string => join(placesIn(folder).folder, 'authority.db')

/** Everything that the tables of a database hold, and how they are made. */
function contents(except: readonly string[] = []): Record<string, unknown> {
  const opened = new DatabaseSync(database(), { readOnly: true })
  const tables = opened
    .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name")
    .all()
  const found = tables
    .filter(({ name }) => !except.includes(String(name)))
    .map(({ name, sql }) => [name, { sql, rows: opened.prepare(`SELECT * FROM ${String(name)}`).all() }])
  opened.close()
  return Object.fromEntries(found) as Record<string, unknown>
}

async function open(): Promise<Sql> {
  return openSqlite(database(), metaSchema)
}

const extra: Migration = {
  summary: 'notes',
  statements: ['CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL)'],
  rewrite: async (sql) => {
    const rows = await sql.query('SELECT kid FROM keys ORDER BY kid')
    return [
      {
        sql: 'INSERT INTO notes (number, text) VALUES (?, ?)',
        each: rows.map(({ kid }, at) => [at + 1, String(kid)]),
      },
    ]
  },
}

const diskFull = () => Promise.reject(new TypeError('the disk is full'))

test('version 1 is frozen: there is data of it', () => {
  const digest = createHash('sha256').update(schemaOfVersion1.join('\n')).digest('hex')
  assert.equal(digest, '2afd680f579835ea8a7e78b6c72b639a3b1fc615fd1b4b246a64db47241872fa')
})

test('data of version 1 is brought to the newest version when it is opened, and works on as before', async () => {
  await layOutVersion1(folder)
  const before = contents(['meta'])
  const authority = await openIn(folder)
  try {
    const rows = await authority.store.sql.query(
      'SELECT version, summary FROM data_versions ORDER BY version',
    )
    assert.deepEqual(
      rows.map(({ version, summary }) => ({ version, summary })),
      migrations.map(({ summary }, at) => ({ version: at + 2, summary })),
    )
    // The log goes on where it was: no number was lost.
    assert.equal(authority.issuer.log.origin, 'acme.example/tokens/2')
    assert.ok(authority.issuer.log.log.head().size >= 21)
    assert.equal(authority.revocations.epoch, 1)
    assert.equal(authority.sessions.list().length, 1)
    const follower = await Follower.start(authority)
    const { tokens } = await issue(authority, { count: 3 })
    await authority.publisher.publish()
    await follower.settle()
    assert.ok(tokens.every((token) => follower.holds(token)))
  } finally {
    await authority.close()
  }
  const after = contents()
  for (const kept of ['attestations', 'decisions', 'acts', 'revocations', 'identifiers']) {
    assert.deepEqual(after[kept], before[kept], kept)
  }
})

test('decisions that were there before are found by all that newer ones are found by', async () => {
  await layOutVersion1(folder)
  const old = new DatabaseSync(database())
  const insert = old.prepare('INSERT INTO decisions (id, time_ms, reason, record) VALUES (?, ?, ?, ?)')
  const token = { log: 'acme.example/tokens/1', index: 4 }
  const nowMs = Date.now()
  const record = { reason: 'ok', service: 'spiffe://acme.example/a', token, head: 'provisional' }
  // More than one page of them.
  for (let n = 0; n < 2_100; n++) insert.run(`edge-1/${n}`, nowMs, 'ok', JSON.stringify({ ...record, n }))
  old.close()
  const authority = await openIn(folder)
  try {
    const { decisions } = authority
    assert.equal(
      (await decisions.count({ service: record.service, ...token, head: 'provisional' }, [])).count,
      2_100,
    )
    const [found] = (await decisions.list({ service: record.service, limit: 1 })).decisions
    assert.equal((found as { head?: unknown }).head, 'provisional')
  } finally {
    await authority.close()
  }
})

test('a backup of the data as it was lies beside it, before the first step is taken', async () => {
  await layOutVersion1(folder)
  await (await openIn(folder)).close()
  const { header, manifest } = await loadBackup(
    readBackupFile(join(placesIn(folder).folder, 'before-version-2.qipbackup')),
  )
  assert.equal(header.dataVersion, 1)
  assert.deepEqual(
    manifest.logs.map(({ origin, size }) => [origin, size]),
    [
      ['acme.example/attestations/1', 3],
      ['acme.example/tokens/1', 301],
      ['acme.example/tokens/2', 21],
    ],
  )
})

test('an empty store is made as a migrated one is', async () => {
  await layOutVersion1(folder)
  await (await openIn(folder)).close()
  const migrated = contents()
  const fresh = new DatabaseSync(':memory:')
  for (const sql of wholeSchema()) fresh.exec(sql)
  const tables = fresh.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all()
  fresh.close()
  assert.deepEqual(
    Object.keys(migrated),
    tables.map(({ name }) => name),
  )
})

test('steps are taken one after the other, each once', async () => {
  await layOutVersion1(folder)
  const sql = await open()
  const steps = [...migrations, extra]
  const told: number[][] = []
  const beforeStep = async (...versions: number[]) => void told.push(versions)
  assert.equal(await migrate(sql, { nowMs: 7, steps, beforeStep }), 1)
  assert.equal(await migrate(sql, { nowMs: 8, steps, beforeStep }), steps.length + 1)
  const [notes] = await sql.query('SELECT COUNT(*) AS count FROM notes')
  const [keys] = await sql.query('SELECT COUNT(*) AS count FROM keys')
  await sql.close()
  assert.deepEqual([notes?.['count'], told], [keys?.['count'], [[1, steps.length + 1]]])
})

for (const [name, step] of [
  [
    'whose statement is wrong',
    { ...extra, statements: [...extra.statements, 'CREATE TABLE keys (kid TEXT)'] },
  ],
  [
    'that cannot read the old data',
    { ...extra, rewrite: (sql: Sql) => sql.query('SELECT none FROM keys').then(() => []) },
  ],
] as const) {
  test(`a step ${name} leaves the version before it whole, and says so`, async () => {
    await layOutVersion1(folder)
    const sql = await open()
    await migrate(sql, { nowMs: 7 })
    await sql.close()
    const before = contents()
    const again = await open()
    await assert.rejects(migrate(again, { nowMs: 8, steps: [...migrations, step] }), (error) => {
      assert.ok(isQipError(error, 'QIP_AUTHORITY_MIGRATION_FAILED'))
      assert.match(error.next ?? '', /the qip that was here before/)
      return true
    })
    await again.close()
    assert.deepEqual(contents(), before)
    await (await openIn(folder)).close()
  })
}

test('a step whose commit is not known to have happened is not taken twice', async () => {
  await layOutVersion1(folder)
  const inner = await open()
  const sql = new FlakySql(inner)
  const steps = [...migrations, extra]
  sql.fault = () => 'lose'
  await assert.rejects(migrate(sql, { nowMs: 7, steps }), (error) =>
    isQipError(error, 'QIP_AUTHORITY_MIGRATION_FAILED'),
  )
  sql.fault = () => undefined
  await migrate(sql, { nowMs: 8, steps })
  const rows = await sql.query('SELECT version, time_ms FROM data_versions ORDER BY version')
  await inner.close()
  assert.deepEqual(
    rows.map(({ version, time_ms: time }) => [version, time]),
    steps.map((_, at) => [at + 2, at === 0 ? 7 : 8]),
  )
})

test('no step is taken where the backup before it cannot be made', async () => {
  await layOutVersion1(folder)
  const before = contents()
  const sql = await open()
  await assert.rejects(migrate(sql, { nowMs: 7, beforeStep: diskFull }), /the disk is full/)
  await sql.close()
  assert.deepEqual(contents(), before)
})

test('data of a newer version is refused, with what to do, and left as it is', async () => {
  await layOutVersion1(folder)
  const sql = await open()
  await migrate(sql, { nowMs: 7, steps: [...migrations, extra] })
  await sql.close()
  const before = contents()
  await assert.rejects(openIn(folder), (error) => {
    assert.ok(isQipError(error, 'QIP_AUTHORITY_DATA_VERSION'))
    assert.match(error.message, new RegExp(`version ${dataVersion + 1}.*up to ${dataVersion}`))
    assert.match(error.next ?? '', /the newer qip that wrote it/)
    return true
  })
  assert.deepEqual(contents(), before)
  await assert.rejects(stat(join(placesIn(folder).folder, `before-version-${dataVersion + 1}.qipbackup`)))
})
