/** The state of a log: how many entries, and the root of the tree over them (32 bytes). */
export interface LogHead {
  readonly size: number
  readonly root: Uint8Array
}

/** A tile to be stored: `hashes` are 1..256 hashes of 32 bytes. It replaces a narrower one of the same level and index. */
export interface StoredTile {
  readonly level: number
  readonly index: number
  readonly hashes: Uint8Array
}

/** One batch: everything that moves the log from one head to the next. */
export interface LogCommit {
  /** The compare: the head that the storage must hold now, size and root. */
  readonly expected: LogHead
  /** The set: the head that it holds afterwards. */
  readonly next: LogHead
  /** The entries `[expected.size, next.size)`, each as `u16be length ‖ bytes`, in one array that nobody writes to any more. */
  readonly entries: Uint8Array
  /** The tiles that the entries changed, each in its new width. */
  readonly tiles: readonly StoredTile[]
}

/**
 * Where one log lives. All safety of the log is in one operation, {@link LogStorage.commit}; the rest are reads.
 *
 * `logStorageCases` in this package's `test/storage-cases.ts` is the body of tests that every driver passes.
 */
export interface LogStorage {
  /** The head as last committed; of an empty storage `{ size: 0, root: emptyRoot() }`. */
  head(): Promise<LogHead>

  /**
   * In one atomic step: if the stored head is `expected` (size **and** root), stores entries, tiles and `next`.
   *
   * - Resolves `'committed'` only when all of it is durable: it survives `kill -9` and power loss.
   * - Resolves `'conflict'` if the stored head is another one; then nothing of it is stored, now or later.
   * - Rejects with {@link LogError} `QIP_LOG_STORAGE_UNAVAILABLE` if nothing of it is stored, now or later.
   * - Rejects with anything else if it does not know. The log then reads the head, and commits the same batch again if need be.
   */
  commit(commit: LogCommit): Promise<'committed' | 'conflict'>

  /**
   * The hashes of a tile in the widest form that was committed (a view or a copy), `undefined` if there is none. What stands behind the
   * width that the head implies is ignored.
   */
  readTile(level: number, index: number): Promise<Uint8Array | undefined>

  /** The entries `[start, end)` with `end` ≤ the size of the head, each as `u16be length ‖ bytes`, in one array. */
  readEntries(start: number, end: number): Promise<Uint8Array>
}
