import type { LogCommit, LogStorage } from '../src/log-storage.ts'

/** What happens to the next commit; `pass` once the list is used up. */
export type CommitFault =
  | 'pass'
  /** Refused, and the driver knows that nothing was written. */
  | 'refuse'
  /** Fails, nothing written, and nobody knows. */
  | 'lose'
  /** Succeeds, and the answer is lost. */
  | 'lose answer'
  /** Fails, and arrives when the head is next read. */
  | 'arrive late'

/** A storage in front of another one that fails as told. For tests. */
export interface FaultyStorage extends LogStorage {
  readonly faults: CommitFault[]
  /** Commits that reached the storage behind, by outcome. */
  readonly outcomes: string[]
  /** Whether reads of the head fail. */
  headFails: boolean
  /** Tiles read from the storage behind. */
  tileReads: number
  /** Changes what is read. */
  damageTile?: (level: number, index: number, hashes: Uint8Array) => Uint8Array | undefined
  damageEntries?: (bundle: Uint8Array) => Uint8Array
  /** Called before each commit, while others can write. */
  beforeCommit?: (() => Promise<void>) | undefined
}

export function faultyStorage(inner: LogStorage, refusal: () => Error): FaultyStorage {
  let late: LogCommit | undefined
  const arrive = async () => {
    if (late === undefined) return
    const commit = late
    late = undefined
    storage.outcomes.push(`late ${await inner.commit(commit)}`)
  }
  const storage: FaultyStorage = {
    faults: [],
    outcomes: [],
    headFails: false,
    tileReads: 0,
    async head() {
      if (storage.headFails) throw new Error('head cannot be read')
      const head = await inner.head()
      // After the read, so that the reader sees the old head once.
      await arrive()
      return head
    },
    async commit(commit) {
      const before = storage.beforeCommit
      storage.beforeCommit = undefined
      await before?.()
      const fault = storage.faults.shift() ?? 'pass'
      if (fault === 'refuse') throw refusal()
      if (fault === 'lose') throw new Error('connection reset')
      if (fault === 'arrive late') {
        late = commit
        throw new Error('timed out')
      }
      const outcome = await inner.commit(commit)
      storage.outcomes.push(outcome)
      if (fault === 'lose answer') throw new Error('connection reset after commit')
      return outcome
    },
    async readTile(level, index) {
      storage.tileReads += 1
      const hashes = await inner.readTile(level, index)
      return hashes === undefined || storage.damageTile === undefined
        ? hashes
        : storage.damageTile(level, index, hashes)
    },
    async readEntries(start, end) {
      const bundle = await inner.readEntries(start, end)
      return storage.damageEntries?.(bundle) ?? bundle
    },
  }
  return storage
}
