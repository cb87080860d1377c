import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isQipError, utf8 } from '@quantum-ip/base'
import { openLog } from '@quantum-ip/log'
import { FencedSql, type Leadership, nobody, takeOver } from '../src/instances/leadership.ts'
import { openStore, type Store } from '../src/store/open-store.ts'
import { createLogStatement, sqlLogStorage } from '../src/store/sql-log-storage.ts'
import { td } from './support.ts'

const origin = 'acme.example/attestations/1'

async function lead({ sql }: Store, last: Leadership, instance: string): Promise<Leadership> {
  const own = await takeOver(sql, last, { instance, url: 'opening' })
  assert.ok(own)
  return own
}

test('a leader that another one took over from writes nothing, and says that nobody leads rather than that there is a conflict', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-fenced-'))
  const store = await openStore(
    { folder, highWaterFolder: join(folder, 'high-water'), custodyFolder: join(folder, 'keys') },
    td,
  )
  t.after(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  const first = await lead(store, nobody, 'a')
  const lost: string[] = []
  const sql = new FencedSql(store.sql, first, (why) => lost.push(why))
  await sql.transact([createLogStatement(origin)])
  const storage = sqlLogStorage(sql, origin)
  const log = await openLog({ storage, origin, genesis: true })
  const { end } = await log.append([utf8('one')])
  await lead(store, first, 'b')

  await assert.rejects(sql.transact([]), (error) => isQipError(error, 'QIP_AUTHORITY_NO_LEADER'))
  // Clients ask again after what is busy, and never after a conflict.
  await assert.rejects(
    log.append([utf8('two')]),
    (error) => isQipError(error, 'QIP_LOG_STORAGE_UNAVAILABLE') && error.fault === 'busy',
  )
  assert.equal((await storage.head()).size, end)
  assert.deepEqual(lost, ['the leadership', 'the leadership'])
})
