import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { openPostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { openBackup } from '../src/backup/backup-store.ts'
import { type Authority, restoreStore, writeBackupFile } from '../src/index.ts'
import { migrate } from '../src/store/migrate.ts'
import { migrations, tablesOf } from '../src/store/migrations.ts'
import { metaSchema } from '../src/store/schema.ts'
import { openPostgres } from '../src/store/postgres.ts'
import { writeMetaStatement, restoringMark } from '../src/store/meta.ts'
import { Follower, issue, openIn, placesIn, td } from './support.ts'

const skip = postgresSkip

async function backUp({ store }: Authority, file: string): Promise<void> {
  await writeBackupFile(file, await openBackup({ sql: store.sql, trustDomain: td, nowMs: Date.now() }))
}

test(
  'a store moves from SQLite to PostgreSQL and back, under load, with nothing lost or signed twice',
  { skip },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'qip-move-'))
    await using server = await openPostgresServer()
    const postgres = { url: server.url }
    const file = join(folder, 'moved.qipbackup')
    const onPostgres = { places: { ...placesIn(folder), postgres } }
    try {
      let authority = await openIn(folder)
      const follower = await Follower.start(authority)
      const first = (await issue(authority, { count: 300 })).tokens
      const { origin } = authority.issuer.log
      await authority.publisher.publish()
      await follower.settle()
      await backUp(authority, file)
      await authority.close()
      await rm(join(placesIn(folder).folder, 'authority.db'))
      const into = {
        file,
        trustDomain: td,
        folder: placesIn(folder).folder,
        highWaterFolder: placesIn(folder).highWaterFolder,
      }
      const { fates } = await restoreStore({ ...into, postgres })
      assert.deepEqual(
        fates.map(({ fate }) => fate),
        ['continues', 'continues'],
      )
      await assert.rejects(restoreStore({ ...into, postgres }), (error) =>
        isQipError(error, 'QIP_AUTHORITY_STORE_OCCUPIED'),
      )

      authority = await openIn(folder, onPostgres)
      assert.equal(authority.issuer.log.origin, origin)
      follower.follow(authority)
      const second = (await issue(authority, { count: 50 })).tokens
      // While it goes on issuing: of one instant, and behind what was signed when it is restored.
      const lines = await openBackup({ sql: authority.store.sql, trustDomain: td, nowMs: Date.now() })
      const third = (await issue(authority, { count: 50 })).tokens
      await authority.publisher.publish()
      await follower.settle()
      await writeBackupFile(file, lines)
      const { size } = authority.issuer.log.log.head()
      await authority.close()

      const back = await restoreStore({ ...into, folder: join(folder, 'back') })
      const [, tokens = { fate: '', size: 0, signed: 0 }] = back.fates.toSorted((one, other) =>
        one.origin.localeCompare(other.origin),
      )
      assert.deepEqual([tokens.fate, tokens.size, tokens.signed], ['closes', 351, size])
      authority = await openIn(folder, { places: { ...placesIn(folder), folder: join(folder, 'back') } })
      follower.follow(authority)
      const fourth = (await issue(authority, { count: 2 })).tokens
      await authority.publisher.publish()
      await follower.settle()
      assert.ok([...first, ...second, ...third, ...fourth].every((token) => follower.holds(token)))
      await authority.close()
      t.diagnostic(`${tablesOf().length} tables, there and back`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)

test('a database that is half restored is opened by no authority', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-half-'))
  await using server = await openPostgresServer()
  const sql = await openPostgres({ url: server.url }, metaSchema)
  await sql.transact([writeMetaStatement(restoringMark, '2026-11-22T13:00:00Z')])
  await sql.close()
  const opening = openIn(folder, { places: { ...placesIn(folder), postgres: { url: server.url } } })
  await assert.rejects(opening, (error) => isQipError(error, 'QIP_AUTHORITY_RESTORE_UNFINISHED'))
  await rm(folder, { recursive: true, force: true })
})

test('a step that fails leaves a PostgreSQL store of the version before whole', { skip }, async () => {
  await using server = await openPostgresServer()
  const sql = await openPostgres({ url: server.url }, metaSchema)
  await migrate(sql, { nowMs: 1 })
  const broken = {
    summary: 'broken',
    statements: ['CREATE TABLE notes (number INTEGER PRIMARY KEY)', 'CREATE TABLE keys (kid TEXT)'],
  }
  await assert.rejects(migrate(sql, { nowMs: 2, steps: [...migrations, broken] }), (error) =>
    isQipError(error, 'QIP_AUTHORITY_MIGRATION_FAILED'),
  )
  await assert.rejects(sql.query('SELECT * FROM notes'))
  assert.equal(await migrate(sql, { nowMs: 3 }), migrations.length + 1)
  await sql.close()
})
