import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteKeyTypes } from '@quantum-ip/crypto'
import { naiveLeaf, naiveRoot, numberedEntries } from '../test/naive-tree.ts'
import { noteKey } from '../test/note-keys.ts'
import { openLog } from './log.ts'
import { memoryLogStorage } from './memory-log-storage.ts'
import { signCheckpoint } from './signed-checkpoint.ts'
import { bundlePath, tilePath, tileWidth } from './tile.ts'
import {
  storedContents,
  type TileLogToVerify,
  verifyTileLog,
  verifyTileLogContents,
} from './verify-tile-log.ts'

const origin = 'log.example/1'
const log = noteKey(origin, noteKeyTypes.mlDsa44)
const classic = noteKey(origin, noteKeyTypes.ed25519)

/** A published log of `size` entries as a map of paths, as a web server would have it; and how to read it. */
async function published(size: number, by = log.by) {
  const storage = memoryLogStorage()
  const open = await openLog({ storage, origin })
  for (let at = 0; at < size; at += 1_000) await open.append(numberedEntries(Math.min(1_000, size - at), at))
  const files = new Map<string, Uint8Array>()
  files.set('checkpoint', Buffer.from(await signCheckpoint({ origin, ...open.head() }, [by])))
  const contents = storedContents(storage)
  for (let level = 0; 256 ** level <= size; level++) {
    for (let index = 0; tileWidth(size, level, index) > 0; index++) {
      const width = tileWidth(size, level, index)
      files.set(tilePath({ level, index, width }), await open.tile(level, index, width))
      if (level === 0) files.set(bundlePath({ index, width }), await contents.readEntries({ index, width }))
    }
  }
  const read = async (path: string) => {
    const file = files.get(path)
    assert.ok(file, `no file ${path}`)
    return file
  }
  const input: TileLogToVerify = {
    readCheckpoint: () => read('checkpoint'),
    readTile: (tile) => read(tilePath(tile)),
    readEntries: (bundle) => read(bundlePath(bundle)),
    vkeys: [log.vkey, classic.vkey],
  }
  return { files, input }
}

for (const size of [0, 1, 255, 256, 257, 1_000, 65_536, 65_800]) {
  test(`a published log of ${size} entries verifies whole`, async () => {
    const { input, files } = await published(size)
    const seen: number[] = []
    const verified = await verifyTileLog({ ...input, onEntry: (index) => seen.push(index) })
    assert.equal(verified.size, size)
    if (size <= 1_000) assert.deepEqual(verified.root, naiveRoot(numberedEntries(size).map(naiveLeaf)))
    assert.equal(seen.length, size)
    assert.equal(seen.at(-1) ?? -1, size - 1)
    assert.ok(files.size > 0)
  })
}

test('every byte of every tile and entry counts', async () => {
  const { input, files } = await published(600)
  for (const [path, file] of files) {
    if (path === 'checkpoint') continue
    for (const at of [0, 1, 2, Math.floor(file.length / 2), file.length - 1]) {
      const whole = Uint8Array.from(file)
      file[at] = (file[at] ?? 0) ^ 1
      await assert.rejects(verifyTileLog(input), { name: 'LogError' }, `${path} byte ${at}`)
      file.set(whole)
    }
    files.set(path, file.subarray(0, -1))
    await assert.rejects(verifyTileLog(input), { name: 'LogError' }, `${path} cut`)
    files.set(path, file)
  }
  assert.equal((await verifyTileLog(input)).size, 600)
})

test('refuses a log under another root, size or key', async () => {
  const { input, files } = await published(300)
  const note = files.get('checkpoint')
  const { input: other, files: otherFiles } = await published(301)
  await assert.rejects(verifyTileLog({ ...input, vkeys: [classic.vkey] }), {
    code: 'QIP_LOG_CHECKPOINT_UNSIGNED',
  })
  await assert.rejects(verifyTileLog({ ...input, origin: 'log.example/2' }), {
    code: 'QIP_LOG_ORIGIN_MISMATCH',
  })
  otherFiles.set('tile/0/001.p/44', otherFiles.get('tile/0/001.p/45') as Uint8Array)
  otherFiles.set('tile/entries/001.p/44', otherFiles.get('tile/entries/001.p/45') as Uint8Array)
  // Tiles and bundles may be wider than asked for: the same log, one entry later.
  assert.equal((await verifyTileLog({ ...other, readCheckpoint: async () => note as Uint8Array })).size, 300)
  const root = new Uint8Array(32)
  await assert.rejects(verifyTileLogContents({ size: 300, root }, input), { code: 'QIP_LOG_CORRUPT' })
  await assert.rejects(verifyTileLogContents({ size: 299, root }, input), { name: 'AssertionError' })
})

test('an Ed25519 signature is sufficient only where the reader says so', async () => {
  const { input } = await published(3, classic.by)
  await assert.rejects(verifyTileLog(input), { code: 'QIP_LOG_CHECKPOINT_UNSIGNED' })
  assert.equal((await verifyTileLog({ ...input, logSignature: 'any' })).size, 3)
})
