import { equalBytes, isQipError } from '@quantum-ip/base'
import { hashSize } from '../hash.ts'
import { LogError } from '../log-errors.ts'
import type { LogCommit, LogHead, LogStorage } from '../log-storage.ts'
import { TreeEdge } from './tree-edge.ts'

/** What became of a batch. `unknown` is the only one after which the batch may still appear in the log. */
export type CommitOutcome =
  | { readonly kind: 'committed' | 'conflict' }
  | { readonly kind: 'refused' | 'unknown'; readonly cause: unknown }

/** How often to try, and how to wait in between. */
export interface SettlePatience {
  readonly attemptsMax: number
  readonly pause: (attempt: number) => Promise<void>
}

/**
 * Commits a batch and finds out what became of it.
 *
 * INVARIANT: entries are never written twice. After an unknown outcome the head is read; if it has not moved, **the same batch** is
 * committed again, never another one, since the first may still arrive: both expect the same head, so only one of them can succeed.
 *
 * `isAgain` says that an earlier call left this very batch `unknown`.
 */
export async function settleCommit(
  storage: LogStorage,
  commit: LogCommit,
  patience: SettlePatience,
  isAgain: boolean,
): Promise<CommitOutcome> {
  let isUnsure = isAgain
  let cause: unknown
  for (let attempt = 0; attempt < patience.attemptsMax; attempt++) {
    if (attempt > 0) await patience.pause(attempt)
    try {
      if (isUnsure) {
        const found = await lookFor(storage, commit)
        if (found !== undefined) return { kind: found }
      }
      const outcome = await storage.commit(commit)
      // Our own first attempt may be what is in the way of the second.
      if (outcome === 'committed' || !isUnsure) return { kind: outcome }
      const found = await lookFor(storage, commit)
      if (found !== undefined) return { kind: found }
    } catch (error) {
      cause = error
      if (isQipError(error, 'QIP_LOG_STORAGE_UNAVAILABLE')) {
        if (!isUnsure) return { kind: 'refused', cause }
      } else {
        isUnsure = true
      }
    }
  }
  return { kind: 'unknown', cause }
}

/** Whether the batch is in the log, or can never be; `undefined` while the head is still the expected one. */
async function lookFor(
  storage: LogStorage,
  commit: LogCommit,
): Promise<'committed' | 'conflict' | undefined> {
  const head = await storage.head()
  if (sameHead(head, commit.expected)) return undefined
  return (await holds(storage, head, commit)) ? 'committed' : 'conflict'
}

async function holds(
  storage: LogStorage,
  head: LogHead,
  { expected, next, entries }: LogCommit,
): Promise<boolean> {
  if (head.size < next.size) return false
  const edge = await loadEdge(storage, next.size)
  if (!equalBytes(edge.root(), next.root)) return false
  if (!equalBytes(await storage.readEntries(expected.size, next.size), entries)) {
    throw new LogError('QIP_LOG_CORRUPT', { what: `entries ${expected.size} to ${next.size}` })
  }
  return true
}

/** Whether two heads are the same: size and root. */
export function sameHead(a: LogHead, b: LogHead): boolean {
  return a.size === b.size && equalBytes(a.root, b.root)
}

/**
 * The right edge of the tree of `size` leaves, from what is stored.
 *
 * @throws {LogError} `QIP_LOG_MISSING` if a tile is not there.
 */
export async function loadEdge(storage: LogStorage, size: number): Promise<TreeEdge> {
  return TreeEdge.load(size, async (level, index, width) => {
    const bytes = await storage.readTile(level, index)
    if (bytes === undefined || bytes.length < width * hashSize) {
      throw new LogError('QIP_LOG_MISSING', { what: `tile ${index} of level ${level}` })
    }
    return bytes
  })
}
