import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogError } from '../src/log-errors.ts'
import type { LogStorage } from '../src/log-storage.ts'
import { type Log, type LogOptions, openLog } from '../src/log.ts'
import { memoryLogStorage } from '../src/memory-log-storage.ts'
import { storedContents, verifyTileLogContents } from '../src/verify-tile-log.ts'
import { type CommitFault, faultyStorage } from './faulty-storage.ts'
import { naiveLeaf, naiveRoot, numberedEntries } from './naive-tree.ts'

const origin = 'log.example/1'

async function faultyLog(options: Partial<LogOptions> = {}) {
  const inner = memoryLogStorage()
  const storage = faultyStorage(inner, () => new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin }))
  return { inner, storage, log: await openLog({ storage, origin, ...options }) }
}

/** The log holds exactly the numbered entries 0..size-1, once each. */
async function holdsNumbered(storage: LogStorage, size: number): Promise<void> {
  const head = await storage.head()
  assert.equal(head.size, size)
  assert.deepEqual(head.root, naiveRoot(numberedEntries(size).map(naiveLeaf)))
  await verifyTileLogContents(head, storedContents(storage))
}

test('calls that come while a batch is written share the next one', async () => {
  const { log, storage } = await faultyLog()
  const calls = Array.from({ length: 50 }, (_, nth) => log.append(numberedEntries(2, 2 * nth)))
  const results = await Promise.all(calls)
  assert.deepEqual(storage.outcomes, ['committed'])
  assert.deepEqual(
    results.map(({ start, end, size }) => [start, end, size]),
    results.map((_, nth) => [2 * nth, 2 * nth + 2, 100]),
  )
  await holdsNumbered(storage, 100)

  const first = log.append(numberedEntries(1, 100))
  await Promise.resolve()
  await Promise.resolve()
  const others = [101, 102, 103].map((nth) => log.append(numberedEntries(1, nth)))
  await Promise.all([first, ...others])
  assert.equal(storage.outcomes.length, 3)
})

test('a batch keeps to its limits in entries and bytes', async () => {
  const { log, storage } = await faultyLog({ batchEntriesMax: 10, batchBytesMax: 1_000 })
  await Promise.all(Array.from({ length: 7 }, (_, nth) => log.append(numberedEntries(4, 4 * nth))))
  assert.equal(storage.outcomes.length, 4)
  await holdsNumbered(storage, 28)
  await Promise.all([600, 600, 100].map((size) => log.append([new Uint8Array(size)])))
  assert.equal(storage.outcomes.length, 6)
})

const resolved: readonly { faults: readonly CommitFault[]; outcomes: readonly string[] }[] = [
  { faults: ['lose'], outcomes: ['committed'] },
  { faults: ['lose', 'lose', 'lose'], outcomes: ['committed'] },
  { faults: ['lose answer'], outcomes: ['committed'] },
  { faults: ['lose', 'lose answer'], outcomes: ['committed'] },
  // The first attempt arrives after the log has looked: its second attempt must lose, and be known as the same.
  { faults: ['arrive late', 'pass'], outcomes: ['late committed', 'conflict'] },
  { faults: ['arrive late', 'lose'], outcomes: ['late committed'] },
  { faults: ['arrive late', 'lose answer'], outcomes: ['late committed', 'conflict'] },
  { faults: ['lose', 'refuse'], outcomes: ['committed'] },
]

for (const { faults, outcomes } of resolved) {
  test(`entries are in the log once when a commit does ${faults.join(', ')}`, async () => {
    for (const size of [1, 200, 300]) {
      const { log, storage } = await faultyLog()
      await log.append(numberedEntries(200))
      storage.outcomes.length = 0
      storage.faults.push(...faults)
      const appended = await log.append(numberedEntries(size, 200))
      assert.deepEqual([appended.start, appended.end], [200, 200 + size])
      assert.deepEqual(storage.outcomes, outcomes)
      await log.append(numberedEntries(100, 200 + size))
      await holdsNumbered(storage, 300 + size)
    }
  })
}

test('a refused batch is not in the log, and the next one takes its place', async () => {
  const { log, storage } = await faultyLog()
  await log.append(numberedEntries(250))
  storage.faults.push('refuse')
  await assert.rejects(log.append(numberedEntries(40, 5_000)), { code: 'QIP_LOG_STORAGE_UNAVAILABLE' })
  assert.equal(log.head().size, 250)
  await log.append(numberedEntries(40, 250))
  await holdsNumbered(storage, 290)
})

test('while nobody knows, nothing else is written; then it is settled first', async () => {
  for (const isThere of [false, true]) {
    const { log, storage } = await faultyLog({ attemptsMax: 3 })
    await log.append(numberedEntries(250))
    storage.faults.push(isThere ? 'lose answer' : 'lose', 'lose', 'lose')
    storage.headFails = true
    await assert.rejects(log.append(numberedEntries(10, 250)), (error: LogError) => {
      assert.equal(error.code, 'QIP_LOG_OUTCOME_UNKNOWN')
      assert.deepEqual(error.details, { origin, start: 250, end: 260 })
      return true
    })
    // Still down: what is asked for now was never tried.
    await assert.rejects(log.append(numberedEntries(1, 9_999)), { code: 'QIP_LOG_STORAGE_UNAVAILABLE' })
    assert.equal(log.head().size, 250)
    assert.equal((await log.inclusionProof(0)).length, 8)
    storage.headFails = false
    storage.faults.length = 0
    await log.append(numberedEntries(5, 260))
    await holdsNumbered(storage, 265)
    assert.deepEqual(log.head(), await storage.head())
  }
})

test('waits between attempts as told', async () => {
  const pauses: number[] = []
  const { log, storage } = await faultyLog({
    attemptsMax: 4,
    pause: async (attempt) => void pauses.push(attempt),
  })
  storage.faults.push('lose', 'lose', 'lose', 'lose')
  await assert.rejects(log.append(numberedEntries(1)), { code: 'QIP_LOG_OUTCOME_UNKNOWN' })
  assert.deepEqual(pauses, [1, 2, 3])
})

test('a log with one writer ends when another one writes, and its entries are not in the log', async () => {
  const { inner, log } = await faultyLog()
  await log.append(numberedEntries(3))
  const other = await openLog({ storage: inner, origin })
  await other.append(numberedEntries(3, 3))
  const calls = [log.append(numberedEntries(1, 77)), log.append(numberedEntries(1, 78))]
  for (const call of calls) await assert.rejects(call, { code: 'QIP_LOG_OTHER_WRITER' })
  await assert.rejects(log.append(numberedEntries(1, 79)), { code: 'QIP_LOG_OTHER_WRITER' })
  await other.append(numberedEntries(3, 6))
  await holdsNumbered(inner, 9)
  assert.equal((await log.entry(2)).length, 3)
})

async function appendAndRead(log: Log, entry: Uint8Array): Promise<void> {
  const { start } = await log.append([entry])
  assert.deepEqual(Uint8Array.from(await log.entry(start)), entry)
}

test('many writers put their batches behind each other', async () => {
  const storage = memoryLogStorage()
  const logs = await Promise.all([1, 2, 3].map(() => openLog({ storage, origin, writers: 'many' })))
  const calls = logs.flatMap((log, writer) =>
    Array.from({ length: 20 }, (_, nth) => appendAndRead(log, Uint8Array.of(writer, nth))),
  )
  for (let nth = 0; nth < 20; nth++) {
    await Promise.all(logs.map((log, writer) => appendAndRead(log, Uint8Array.of(writer, nth, 0))))
  }
  await Promise.all(calls)
  const head = await storage.head()
  assert.equal(head.size, 120)
  await verifyTileLogContents(head, storedContents(storage))
})

test('an unknown batch that lost to another writer is written behind it, once', async () => {
  const { inner, storage, log } = await faultyLog({ writers: 'many' })
  await log.append(numberedEntries(3))
  const other = await openLog({ storage: inner, origin, writers: 'many' })
  storage.faults.push('lose')
  storage.beforeCommit = async () => void (await other.append(numberedEntries(2, 3)))
  const { start } = await log.append(numberedEntries(2, 5))
  assert.equal(start, 5)
  await holdsNumbered(inner, 7)
})

test('a storage that went back ends the log', async () => {
  const older = memoryLogStorage()
  const { log, storage } = await faultyLog({ writers: 'many' })
  await log.append(numberedEntries(3))
  await (await openLog({ storage: older, origin })).append(numberedEntries(2))
  storage.head = () => older.head()
  storage.commit = (commit) => older.commit(commit)
  storage.readTile = (level, index) => older.readTile(level, index)
  await assert.rejects(log.append(numberedEntries(1)), { code: 'QIP_LOG_NOT_AN_EXTENSION' })
  await assert.rejects(log.append(numberedEntries(1)), { code: 'QIP_LOG_NOT_AN_EXTENSION' })
})

test('opens only a storage that extends the head known from elsewhere', async () => {
  const { inner, log } = await faultyLog()
  await log.append(numberedEntries(300))
  const extending = log.head()
  await openLog({ storage: inner, origin, extending })
  await log.append(numberedEntries(10, 300))
  await openLog({ storage: inner, origin, extending })
  const refused = { code: 'QIP_LOG_NOT_AN_EXTENSION' }
  await assert.rejects(openLog({ storage: inner, origin, extending: { ...extending, size: 311 } }), refused)
  await assert.rejects(openLog({ storage: inner, origin, extending: { ...extending, size: 310 } }), refused)
  await assert.rejects(openLog({ storage: inner, origin, extending: { ...extending, size: 299 } }), refused)
  const forked = await faultyLog()
  await forked.log.append(numberedEntries(400, 1))
  await assert.rejects(openLog({ storage: forked.inner, origin, extending }), refused)
})

test('refuses to open a storage whose edge does not hash to its head, or is not there', async () => {
  const { inner, log } = await faultyLog()
  await log.append(numberedEntries(300))
  const storage = faultyStorage(inner, () => new Error('unused'))
  storage.damageTile = (level, _, hashes) =>
    level === 1 ? hashes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)) : hashes
  await assert.rejects(openLog({ storage, origin }), { code: 'QIP_LOG_CORRUPT' })
  storage.damageTile = () => undefined
  await assert.rejects(openLog({ storage, origin }), { code: 'QIP_LOG_MISSING' })
  storage.damageTile = (_level, _index, hashes) => hashes.subarray(0, -1)
  await assert.rejects(openLog({ storage, origin }), { code: 'QIP_LOG_MISSING' })
})

test('what stands in a tile behind the head is ignored', async () => {
  const { inner, log } = await faultyLog()
  await log.append(numberedEntries(300))
  const storage = faultyStorage(inner, () => new Error('unused'))
  storage.damageTile = (_level, _index, hashes) => Buffer.concat([hashes, new Uint8Array(50)])
  const again = await openLog({ storage, origin, cachedTilesMax: 1 })
  await again.append(numberedEntries(300, 300))
  await holdsNumbered(inner, 600)
})

test('a damaged tile or entry is an error, never a wrong answer', async () => {
  const { inner, log } = await faultyLog()
  await log.append(numberedEntries(1_000))
  for (const place of [0, 31, 5_000, 8_191]) {
    const storage = faultyStorage(inner, () => new Error('unused'))
    const damaged = await openLog({ storage, origin })
    storage.damageTile = (_level, index, hashes) =>
      hashes.map((byte, i) => (index === 1 && i === place ? byte ^ 1 : byte))
    await assert.rejects(damaged.inclusionProof(300), { code: 'QIP_LOG_CORRUPT' })
    await assert.rejects(damaged.tile(0, 1, 256), { code: 'QIP_LOG_CORRUPT' })
    await assert.rejects(damaged.proveSubtree({ start: 0, end: 512 }), { code: 'QIP_LOG_CORRUPT' })
    assert.equal((await damaged.inclusionProof(3, 256)).length, 8)
    storage.damageTile = () => undefined
    await assert.rejects(damaged.inclusionProof(520), { code: 'QIP_LOG_MISSING' })
  }
  const storage = faultyStorage(inner, () => new Error('unused'))
  storage.damageEntries = (bundle) => bundle.map((byte, i) => (i === bundle.length - 1 ? byte ^ 1 : byte))
  const damaged = await openLog({ storage, origin })
  await assert.rejects(damaged.entry(3), { code: 'QIP_LOG_CORRUPT' })
  storage.damageEntries = (bundle) => bundle.subarray(0, -1)
  await assert.rejects(damaged.entry(3), { code: 'QIP_LOG_BUNDLE_MALFORMED' })
})

test('tiles are read once while they fit into the cache', async () => {
  const { inner, log } = await faultyLog()
  for (let at = 0; at < 5_000; at += 1_000) await log.append(numberedEntries(1_000, at))
  const storage = faultyStorage(inner, () => new Error('unused'))
  const cached = await openLog({ storage, origin, cachedTilesMax: 4 })
  storage.tileReads = 0
  for (let round = 0; round < 3; round++)
    for (const tile of [1, 2, 3, 4]) await cached.inclusionProof(tile * 256 + round)
  const fits = storage.tileReads
  for (let round = 0; round < 3; round++)
    for (const tile of [5, 6, 7, 8, 9]) await cached.inclusionProof(tile * 256 + round)
  assert.equal(fits, 4)
  assert.ok(storage.tileReads - fits > 5)
})
