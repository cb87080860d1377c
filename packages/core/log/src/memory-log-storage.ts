import { concatBytes, equalBytes } from '@quantum-ip/base'
import { sliceEntryBundle } from './entry-bundle.ts'
import { emptyRoot } from './hash.ts'
import { LogError } from './log-errors.ts'
import type { LogCommit, LogHead, LogStorage } from './log-storage.ts'
import { tileLevelMax } from './tile.ts'

/** A log in memory: for tests, and for logs that live no longer than their process. */
export function memoryLogStorage(): LogStorage {
  let head: LogHead = { size: 0, root: emptyRoot() }
  const tiles = new Map<number, Uint8Array>()
  const batches: { readonly start: number; readonly end: number; readonly entries: Uint8Array }[] = []

  return {
    async head() {
      return head
    },

    async commit({ expected, next, entries, tiles: changed }: LogCommit) {
      if (head.size !== expected.size || !equalBytes(head.root, expected.root)) return 'conflict'
      for (const { level, index, hashes } of changed) tiles.set(tileKey(level, index), hashes)
      batches.push({ start: expected.size, end: next.size, entries })
      head = next
      return 'committed'
    },

    async readTile(level, index) {
      return tiles.get(tileKey(level, index))
    },

    async readEntries(start, end) {
      const parts: Uint8Array[] = []
      for (let at = batchAt(start); at < batches.length; at++) {
        const batch = batches[at]
        if (batch === undefined || batch.start >= end) break
        const [from, to] = [Math.max(start, batch.start), Math.min(end, batch.end)]
        parts.push(sliceEntryBundle(batch.entries, from - batch.start, to - batch.start))
      }
      if (end > head.size) throw new LogError('QIP_LOG_MISSING', { what: `entries up to ${end}` })
      return concatBytes(...parts)
    },
  }

  /** The place of the batch that holds the entry: by bisection, since a log may have millions. */
  function batchAt(entry: number): number {
    let [low, high] = [0, batches.length]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if ((batches[middle]?.end ?? 0) <= entry) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** One number for a tile: indices of tiles are below 2^40 in a log of 2^48 entries. */
export function tileKey(level: number, index: number): number {
  return index * (tileLevelMax + 1) + level
}
