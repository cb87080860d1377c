import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '@quantum-ip/base'
import { formatEntryBundle, parseEntryBundle } from '../src/entry-bundle.ts'
import { emptyRoot, leafHash, rangeHash } from '../src/hash.ts'
import type { LogCommit, LogHead, LogStorage } from '../src/log-storage.ts'
import { openLog } from '../src/log.ts'
import { storedContents, verifyTileLogContents } from '../src/verify-tile-log.ts'
import { numberedEntries } from './naive-tree.ts'

/** A fresh, empty storage, for one test. */
export interface StorageUnderTest {
  readonly storage: LogStorage
  /** Closes it and opens the same data again; absent where nothing outlives the storage. */
  reopen?(): Promise<LogStorage>
  close?(): Promise<void>
}

const empty: LogHead = { size: 0, root: emptyRoot() }

/** The batch that appends `count` numbered entries to a log of numbered entries, with level-0 tiles only. */
function batch(expected: LogHead, count: number): LogCommit {
  const entries = numberedEntries(count, expected.size)
  const all = numberedEntries(expected.size + count).map(leafHash)
  const index = Math.floor(expected.size / 256)
  const hashes = concatBytes(...all.slice(index * 256, (index + 1) * 256))
  return {
    expected,
    next: { size: all.length, root: rangeHash(all) },
    entries: formatEntryBundle(entries),
    tiles: [{ level: 0, index, hashes }],
  }
}

const cases: Readonly<Record<string, (open: StorageUnderTest) => Promise<void>>> = {
  'a new storage holds the empty tree': async ({ storage }) => {
    assert.deepEqual(await storage.head(), empty)
    assert.equal(await storage.readTile(0, 0), undefined)
    assert.equal((await storage.readEntries(0, 0)).length, 0)
  },

  'what is committed is read back': async ({ storage }) => {
    const first = batch(empty, 3)
    assert.equal(await storage.commit(first), 'committed')
    assert.deepEqual(await storage.head(), first.next)
    assert.deepEqual(bytes(await storage.readTile(0, 0)), bytes(first.tiles[0]?.hashes))
    assert.deepEqual(bytes(await storage.readEntries(0, 3)), bytes(first.entries))
    assert.equal(await storage.readTile(0, 1), undefined)
    assert.equal(await storage.readTile(1, 0), undefined)
  },

  'a wider tile replaces a narrower one': async ({ storage }) => {
    const first = batch(empty, 3)
    const second = batch(first.next, 4)
    await storage.commit(first)
    await storage.commit(second)
    assert.equal((await storage.readTile(0, 0))?.length, 7 * 32)
  },

  'entries are read across batches': async ({ storage }) => {
    let head = empty
    for (const count of [1, 5, 1_024, 2, 30]) {
      const commit = batch(head, count)
      assert.equal(await storage.commit(commit), 'committed')
      head = commit.next
    }
    const all = numberedEntries(head.size)
    for (const [start, end] of [
      [0, 1],
      [0, head.size],
      [0, 6],
      [1, 6],
      [3, 9],
      [5, 1_031],
      [1_029, 1_033],
      [head.size - 1, head.size],
      [40, 40],
    ] as const) {
      const entries = parseEntryBundle(await storage.readEntries(start, end), end - start)
      assert.deepEqual(entries.map(bytes), all.slice(start, end).map(bytes), `[${start}, ${end})`)
    }
  },

  'a commit on another head changes nothing': async ({ storage }) => {
    const first = batch(empty, 3)
    await storage.commit(first)
    const wrong: readonly LogHead[] = [
      empty,
      { size: 3, root: emptyRoot() },
      { size: 4, root: first.next.root },
      { size: 2, root: batch(empty, 2).next.root },
    ]
    for (const expected of wrong) {
      assert.equal(await storage.commit({ ...batch(first.next, 2), expected }), 'conflict')
    }
    assert.deepEqual(await storage.head(), first.next)
    assert.deepEqual(bytes(await storage.readTile(0, 0)), bytes(first.tiles[0]?.hashes))
    assert.deepEqual(bytes(await storage.readEntries(0, 3)), bytes(first.entries))
    assert.equal(await storage.commit(batch(first.next, 2)), 'committed')
  },

  'of several commits on one head exactly one succeeds': async ({ storage }) => {
    const commits = [1, 2, 3, 4, 5].map((count) => batch(empty, count))
    const outcomes = await Promise.all(commits.map((commit) => storage.commit(commit)))
    const winners = commits.filter((_, nth) => outcomes[nth] === 'committed')
    assert.equal(winners.length, 1)
    assert.deepEqual(await storage.head(), winners[0]?.next)
  },

  'what was committed is there after it was opened again': async (open) => {
    const commit = batch(empty, 300)
    await open.storage.commit(commit)
    const storage = (await open.reopen?.()) ?? open.storage
    assert.deepEqual(await storage.head(), commit.next)
    assert.deepEqual(bytes(await storage.readEntries(0, 300)), bytes(commit.entries))
    assert.deepEqual(bytes(await storage.readTile(0, 0)), bytes(commit.tiles[0]?.hashes))
  },

  'a log over it verifies whole, and goes on after it was opened again': async (open) => {
    let { storage } = open
    for (let round = 0; round < 3; round++) {
      const log = await openLog({ storage, origin: 'log.example/1', genesis: true })
      for (const count of [1, 255, 2, 1_000]) await log.append(numberedEntries(count, log.head().size))
      await log.close()
      storage = (await open.reopen?.()) ?? storage
      const head = await storage.head()
      assert.deepEqual(head, log.head())
      await verifyTileLogContents(head, storedContents(storage))
    }
    assert.equal((await storage.head()).size, 1 + 3 * 1_258)
  },
}

/**
 * What every storage driver must do. Call it from a `*.test.ts` file of the driver:
 *
 * ```ts
 * logStorageCases('sqlite', async () => ({ storage: await openSqliteLogStorage(folder), reopen, close }))
 * ```
 */
export function logStorageCases(name: string, openStorage: () => Promise<StorageUnderTest>): void {
  for (const [title, body] of Object.entries(cases)) {
    void test(`${name}: ${title}`, async () => {
      const open = await openStorage()
      try {
        await body(open)
      } finally {
        await open.close?.()
      }
    })
  }
}

/** Plain bytes, so that Buffers and views compare by content. */
function bytes(value: Uint8Array | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : Uint8Array.from(value)
}
