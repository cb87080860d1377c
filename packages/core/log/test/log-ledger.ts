import assert from 'node:assert/strict'
import { equalBytes, hex } from '@quantum-ip/base'
import { leafHashInto } from '../src/hash.ts'
import { TreeEdge } from '../src/lib/tree-edge.ts'
import { LogError } from '../src/log-errors.ts'
import type { LogHead, LogStorage } from '../src/log-storage.ts'
import type { Log } from '../src/log.ts'
import { storedContents, verifyTileLogContents } from '../src/verify-tile-log.ts'

interface Call {
  readonly ids: readonly string[]
  fate: 'open' | 'refused' | { readonly start: number } | { readonly unknownAt: number }
}

/**
 * What a log has promised, and whether it keeps it. INVARIANTS, checked against what would be left if the power failed now:
 *
 * - what is stored verifies whole: entries, all tiles, root;
 * - every acknowledged entry is at its acknowledged index, and every acknowledged head is a head of this very log (no fork);
 * - no entry is there twice;
 * - entries of a refused call are not there; those of an unknown call are at the place named, or not there.
 */
export class LogLedger {
  #calls: Call[] = []
  #heads: LogHead[] = []
  #drawn = 0
  readonly #open = new Map<Promise<void>, Log>()
  acknowledged = 0

  /** Appends entries that never were before, and notes what the log answers. */
  append(log: Log, count: number): void {
    const entries = Array.from({ length: count }, () => {
      this.#drawn += 1
      return Uint8Array.of(9, Math.floor(this.#drawn / 256), this.#drawn % 256)
    })
    const call: Call = { ids: entries.map(hex), fate: 'open' }
    this.#calls.push(call)
    const noted: Promise<void> = log.append(entries).then(
      ({ start, end, size, root }) => {
        assert.equal(end - start, count)
        call.fate = { start }
        this.acknowledged += count
        this.#heads.push({ size, root })
      },
      (error: unknown) => {
        if (!(error instanceof LogError)) throw error
        const { code, details } = error
        call.fate = code === 'QIP_LOG_OUTCOME_UNKNOWN' ? { unknownAt: this.#place(details, call) } : 'refused'
      },
    )
    const open = noted.finally(() => this.#open.delete(open))
    this.#open.set(open, log)
  }

  /** The unknown batch may hold several calls: this one is within it. */
  #place(details: unknown, call: Call): number {
    const { start, end } = details as { start: number; end: number }
    assert.ok(end - start >= call.ids.length)
    return start
  }

  /** Waits until all calls were answered, or no more will be. */
  async settle(turns = 400): Promise<void> {
    for (let turn = 0; turn < turns && this.#open.size > 0; turn++) await Promise.resolve()
  }

  /** The process is gone: what it has not answered it never will. */
  forget(log: Log | undefined): void {
    for (const [call, of] of this.#open) if (of === log) this.#open.delete(call)
  }

  /** Verifies the whole log in a copy of the disk, and every promise made by now: meanwhile the processes go on. */
  async check(disk: LogStorage): Promise<void> {
    const calls = this.#calls.map((call) => ({ ...call }))
    const sizes = Map.groupBy(this.#heads, ({ size }) => size)
    const head = await disk.head()
    const edge = new TreeEdge()
    const hash = new Uint8Array(32)
    const places = new Map<string, number>()
    const checkHead = () => {
      for (const { root } of sizes.get(edge.size) ?? []) {
        assert.ok(equalBytes(root, edge.root()), `fork at size ${edge.size}`)
      }
    }
    await verifyTileLogContents(head, {
      ...storedContents(disk),
      onEntry(index, entry) {
        const id = hex(entry)
        assert.equal(places.get(id), undefined, `entry ${id} is there twice`)
        places.set(id, index)
        leafHashInto(entry, hash, 0)
        edge.append(hash, 0)
        checkHead()
      },
    })
    for (const size of sizes.keys()) assert.ok(size <= head.size, `acknowledged size ${size} is lost`)
    for (const call of calls) checkCall(call, places)
  }
}

function checkCall({ ids, fate }: Call, places: ReadonlyMap<string, number>): void {
  const found = ids.map((id) => places.get(id))
  const isAbsent = found.every((place) => place === undefined)
  if (fate === 'refused') return assert.ok(isAbsent, `refused entry ${ids[0]} is in the log`)
  const [start] = found
  if (typeof fate === 'object' && 'start' in fate) {
    assert.equal(start, fate.start, `acknowledged entry ${ids[0]} is lost`)
  } else if (isAbsent) {
    return
  } else if (typeof fate === 'object') {
    assert.ok((start ?? -1) >= fate.unknownAt, `unknown entry ${ids[0]} is elsewhere`)
  }
  assert.deepEqual(
    found,
    ids.map((_, nth) => (start ?? 0) + nth),
    'entries of one call stand side by side',
  )
}
