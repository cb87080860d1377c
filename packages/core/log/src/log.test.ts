import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, limits } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { naiveLeaf, naivePath, naiveRoot, naiveSubtreeProof, numberedEntries } from '../test/naive-tree.ts'
import { verifyConsistency, verifySubtreeConsistency } from './consistency.ts'
import { emptyRoot, leafHash } from './hash.ts'
import { verifyInclusion, verifySubtreeInclusion } from './inclusion.ts'
import { genesisEntry, type Log, openLog } from './log.ts'
import { memoryLogStorage } from './memory-log-storage.ts'
import { isValidSubtree, type Subtree } from './subtree.ts'
import { storedContents, verifyTileLogContents } from './verify-tile-log.ts'

const origin = 'log.example/1'

async function logOf(size: number, options: Partial<Parameters<typeof openLog>[0]> = {}) {
  const storage = options.storage ?? memoryLogStorage()
  const log = await openLog({ origin, storage, ...options })
  for (let at = 0; at < size; at += 1_000) await log.append(numberedEntries(Math.min(1_000, size - at), at))
  return { log, storage }
}

test('a new log is the empty tree, or has the genesis entry if asked', async () => {
  const { log, storage } = await logOf(0)
  assert.deepEqual(log.head(), { size: 0, root: emptyRoot() })
  const begun = await openLog({ origin, storage, genesis: true })
  assert.deepEqual(begun.head(), { size: 1, root: leafHash(Uint8Array.of(1, 0)) })
  assert.deepEqual(Uint8Array.from(await begun.entry(0)), genesisEntry)
  const again = await openLog({ origin, storage, genesis: true })
  assert.equal(again.head().size, 1)
})

test('at every size up to 600 head, proofs and entries are those of the definition', async () => {
  const { log } = await logOf(0)
  const entries = numberedEntries(600)
  const leaves = entries.map(naiveLeaf)
  for (let size = 1; size <= 600; size++) {
    const appended = await log.append(entries.slice(size - 1, size))
    assert.deepEqual([appended.start, appended.end, appended.size], [size - 1, size, size])
    assert.deepEqual(appended.root, log.head().root)
    // Every size near a power of two and near a tile's edge, and some between.
    if (![1, 2, 3, 255, 256, 257, 511, 512, 513, 600].includes(size) && size % 37 !== 0) continue
    const tree = leaves.slice(0, size)
    assert.deepEqual(log.head().root, naiveRoot(tree))
    for (const index of [0, 1, 254, 255, 256, 257, size - 1].filter((at) => at < size)) {
      assert.deepEqual(await log.inclusionProof(index), naivePath(index, tree))
      assert.deepEqual(Uint8Array.from(await log.entry(index)), Uint8Array.from(entries[index] as Uint8Array))
    }
    for (const older of [1, 2, 255, 256, 300, size].filter((at) => at <= size)) {
      assert.deepEqual(await log.consistencyProof(older), naiveSubtreeProof({ start: 0, end: older }, tree))
    }
  }
})

const shared: { log: Log; leaves: readonly Uint8Array[] } = {
  log: (await logOf(1_400, { cachedTilesMax: 2 })).log,
  leaves: numberedEntries(1_400).map(naiveLeaf),
}

/** A valid subtree of 1,400 leaves that is not empty. */
const subtree = fc.tuple(fc.nat(1_399), fc.integer({ min: 1, max: 1_100 })).map(([at, size]): Subtree => {
  const start = at - (at % 2 ** Math.ceil(Math.log2(size)))
  return { start, end: Math.min(start + size, 1_400) }
})

test('proves any subtree, its leaves one by one and all at once, and its place in any later tree', async () => {
  const { log, leaves } = shared
  await fc.assert(
    fc.asyncProperty(subtree, fc.nat(), fc.nat(), async ({ start, end }, a, b) => {
      assert.ok(isValidSubtree({ start, end }))
      const part = leaves.slice(start, end)
      const hash = naiveRoot(part)
      assert.deepEqual(await log.subtreeHash({ start, end }), hash)
      const index = start + (a % (end - start))
      const proof = await log.subtreeProof(index, { start, end })
      assert.deepEqual(proof, naivePath(index - start, part))
      verifySubtreeInclusion({ index, start, end, leafHash: leaves[index] as Uint8Array, proof, hash })

      const prover = await log.proveSubtree({ start, end })
      assert.deepEqual(Uint8Array.from(prover.hash), hash)
      assert.deepEqual(prover.path(index), concatBytes(...proof))

      const size = end + (b % (1_400 - end + 1))
      const root = await log.subtreeHash({ start: 0, end: size })
      const consistency = await log.subtreeConsistencyProof({ start, end }, size)
      verifySubtreeConsistency({ start, end, size, hash, root, proof: consistency })
      const older = await log.inclusionProof(index, size)
      verifyInclusion({ index, size, leafHash: leaves[index] as Uint8Array, proof: older, root })
    }),
    { numRuns: 150 },
  )
})

test('a subtree prover writes paths into a given place', async () => {
  const prover = await shared.log.proveSubtree({ start: 1_024, end: 1_400 })
  const target = new Uint8Array(600).fill(7)
  const written = prover.pathInto(1_399, target, 5)
  assert.deepEqual(target.subarray(5, 5 + written), prover.path(1_399))
  assert.ok(target.subarray(5 + written).every((byte) => byte === 7))
  assert.throws(() => prover.path(1_400), { code: 'QIP_LOG_OUT_OF_RANGE' })
  assert.throws(() => prover.path(1_023), { code: 'QIP_LOG_OUT_OF_RANGE' })
})

test('tiles are those of c2sp.org/tlog-tiles, in every width that the size allows', async () => {
  const { log, leaves } = shared
  for (const [index, width] of [
    [0, 256],
    [5, 120],
    [5, 1],
    [2, 77],
  ] as const) {
    const hashes = leaves.slice(index * 256, index * 256 + width)
    assert.deepEqual(await log.tile(0, index, width), concatBytes(...hashes))
  }
  const above = [0, 1, 2, 3, 4].map((tile) => naiveRoot(leaves.slice(tile * 256, tile * 256 + 256)))
  assert.deepEqual(await log.tile(1, 0, 5), concatBytes(...above))
  for (const [level, index, width] of [
    [0, 5, 121],
    [0, 6, 1],
    [1, 0, 6],
    [2, 0, 1],
    [0, 0, 257],
    [0, 0, 0],
    [0, -1, 256],
    [63, 0, 1],
    [0, 0.5, 1],
  ] as const) {
    await assert.rejects(log.tile(level, index, width), { code: 'QIP_LOG_OUT_OF_RANGE' })
  }
})

test('answers about what is not in the log are refused by code', async () => {
  const { log } = shared
  const outOfRange = { code: 'QIP_LOG_OUT_OF_RANGE' }
  await assert.rejects(log.entry(1_400), outOfRange)
  await assert.rejects(log.entry(-1), outOfRange)
  await assert.rejects(log.entry(Number.NaN), outOfRange)
  await assert.rejects(log.entries(0, 1_025), outOfRange)
  await assert.rejects(log.inclusionProof(1_400), outOfRange)
  await assert.rejects(log.inclusionProof(0, 1_401), outOfRange)
  await assert.rejects(log.consistencyProof(5, 1_401), outOfRange)
  await assert.rejects(log.consistencyProof(5, 4), outOfRange)
  await assert.rejects(log.subtreeHash({ start: 0, end: 1_401 }), outOfRange)
  await assert.rejects(log.subtreeHash({ start: 1, end: 3 }), { code: 'QIP_LOG_SUBTREE_INVALID' })
  await assert.rejects(log.proveSubtree({ start: 0, end: 1_401 }), outOfRange)
  await assert.rejects(log.proveSubtree({ start: 8, end: 8 }), outOfRange)
})

test('a log opened again goes on where it was', async () => {
  const { log, storage } = await logOf(300)
  await log.close()
  const again = await openLog({ storage, origin })
  assert.deepEqual(again.head(), log.head())
  await again.append(numberedEntries(300, 300))
  assert.deepEqual(again.head().root, naiveRoot(numberedEntries(600).map(naiveLeaf)))
  const proof = await again.consistencyProof(300)
  verifyConsistency({ size1: 300, size2: 600, root1: log.head().root, root2: again.head().root, proof })
  await verifyTileLogContents(again.head(), storedContents(storage))
})

test('a log grows over the second level of tiles', async () => {
  const { log, storage } = await logOf(65_530, { cachedTilesMax: 8 })
  await log.append(numberedEntries(10, 65_530))
  await verifyTileLogContents(log.head(), storedContents(storage))
  const [index, size] = [65_535, 65_540]
  const leaf = naiveLeaf(numberedEntries(1, index)[0] as Uint8Array)
  verifyInclusion({
    index,
    size,
    leafHash: leaf,
    proof: await log.inclusionProof(index),
    root: log.head().root,
  })
  assert.equal((await log.tile(2, 0, 1)).length, 32)
  const again = await openLog({ storage, origin })
  assert.deepEqual(await again.inclusionProof(3), await log.inclusionProof(3))
})

test('closing lets what waits be written, and takes nothing more', async () => {
  const { log } = await logOf(0)
  const waiting = [log.append(numberedEntries(1)), log.append(numberedEntries(2, 1))]
  await log.close()
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ end }) => end),
    [1, 3],
  )
  await assert.rejects(log.append(numberedEntries(1)), { code: 'QIP_LOG_CLOSED' })
  assert.equal((await log.entry(2)).length, 3)
})

test('what passes a limit is refused before anything is written', async () => {
  const { log } = await logOf(0, { batchEntriesMax: 4, batchBytesMax: 100, queueEntriesMax: 6, sizeMax: 8 })
  const refused = async (entries: readonly Uint8Array[], code: string) =>
    assert.rejects(log.append(entries), { code })
  await refused([new Uint8Array(limits.logEntryBytesMax + 1)], 'QIP_LOG_ENTRY_TOO_LONG')
  await refused(numberedEntries(5), 'QIP_LOG_BATCH_TOO_LARGE')
  await refused([new Uint8Array(101)], 'QIP_LOG_BATCH_TOO_LARGE')
  await assert.rejects(log.append([]), TypeError)
  const first = [log.append(numberedEntries(4)), log.append(numberedEntries(2, 4))]
  await refused(numberedEntries(1), 'QIP_LOG_OVERLOADED')
  await Promise.all(first)
  await refused(numberedEntries(3), 'QIP_LOG_FULL')
  await log.append(numberedEntries(2, 6))
  await refused(numberedEntries(1), 'QIP_LOG_FULL')
  assert.equal(log.head().size, 8)
})
