import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isQipError, utf8 } from '@quantum-ip/base'
import { simulatedClock } from '@quantum-ip/testing'
import { TrustStore } from '@quantum-ip/trust'
import { loadSnapshotFile, writeSnapshotFile } from './snapshot-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'qip-snapshot-'))
test.after(() => rm(folder, { recursive: true }))
const store = () => new TrustStore({ td: 'spiffe://acme.example', pins: { thumbprints: [], threshold: 1 } })

test('puts a file in the place of another, readable by its owner only, and leaves nothing beside it', async () => {
  const place = join(folder, 'a', 'b')
  const file = join(place, 'trust')
  await writeSnapshotFile(file, utf8('one'))
  await writeSnapshotFile(file, utf8('two'))
  assert.equal(await readFile(file, 'utf8'), 'two')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(place), ['trust'])
})

test('leaves what was there where writing fails, and nothing beside it', async () => {
  const file = join(folder, 'taken')
  await writeSnapshotFile(join(file, 'in-the-way'), utf8('x'))
  await assert.rejects(writeSnapshotFile(file, utf8('y')), (error) =>
    isQipError(error, 'QIP_CLIENT_SNAPSHOT_UNWRITABLE'),
  )
  assert.deepEqual((await readdir(folder)).toSorted(), ['a', 'taken'])
})

test('tells no snapshot from one that cannot be used', async () => {
  assert.equal(await loadSnapshotFile(join(folder, 'none'), store(), simulatedClock()), false)
  const file = join(folder, 'damaged')
  await writeFile(file, 'not a snapshot')
  for (const path of [file, folder]) {
    await assert.rejects(loadSnapshotFile(path, store(), simulatedClock()), (error) =>
      isQipError(error, 'QIP_CLIENT_SNAPSHOT_REFUSED'),
    )
  }
})
