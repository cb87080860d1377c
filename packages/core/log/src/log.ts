import { equalBytes, limits } from '@quantum-ip/base'
import { parseEntryBundle } from './entry-bundle.ts'
import { leafHash } from './hash.ts'
import { Appender, type Appended } from './lib/appender.ts'
import { loadTree } from './lib/load-tree.ts'
import { type Tree, TreeReader } from './lib/tree-reader.ts'
import { LogError } from './log-errors.ts'
import type { LogHead, LogStorage } from './log-storage.ts'
import { consistencyRanges, inclusionRanges } from './prove.ts'
import { buildSubtreeProver, type SubtreeProver } from './subtree-prover.ts'
import { type Subtree, verifySubtree } from './subtree.ts'
import { tileSpan, tileWidthMax } from './tile.ts'

/** How a log is opened. */
export interface LogOptions {
  readonly storage: LogStorage
  /** The log's name, for errors; checkpoints and signatures are made by others. */
  readonly origin: string
  /** Begin an empty log with the null entry `01 00`, so that the smallest tree has two leaves. Default false. */
  readonly genesis?: boolean
  /**
   * `one` (default): if anybody else writes, this log takes nothing more. `many`: batches that lose a race are put behind the
   * winner's.
   */
  readonly writers?: 'one' | 'many'
  /** The highest head that is known from elsewhere: a storage that does not extend it is refused. */
  readonly extending?: LogHead
  /** Entries in a batch. Default 1,024. */
  readonly batchEntriesMax?: number
  /** Bytes of entries in a batch. Default 8 MiB. */
  readonly batchBytesMax?: number
  /** Entries that may wait for a batch. Default 65,536. */
  readonly queueEntriesMax?: number
  /** Entries that the log may hold. Default 2^48. */
  readonly sizeMax?: number
  /** Full tiles kept in memory, 16 KB each. Default 256. */
  readonly cachedTilesMax?: number
  /** Times that a batch of unknown outcome is looked for and committed again before its callers are told. Default 5. */
  readonly attemptsMax?: number
  /** Waits before such an attempt, 1 and up. Default: does not wait. */
  readonly pause?: (attempt: number) => Promise<void>
}

/** An append-only log. All proofs are over what was committed. */
export interface Log {
  readonly origin: string
  /** The committed head. */
  head(): LogHead
  /**
   * Appends entries, side by side and in this order; resolves when they are durable. Concurrent calls share a batch. The entries must
   * not be written to until it settles.
   *
   * @throws {LogError} `QIP_LOG_ENTRY_TOO_LONG` · `QIP_LOG_BATCH_TOO_LARGE` · `QIP_LOG_FULL` · `QIP_LOG_OVERLOADED` ·
   * `QIP_LOG_STORAGE_UNAVAILABLE` · `QIP_LOG_OTHER_WRITER` · `QIP_LOG_NOT_AN_EXTENSION` · `QIP_LOG_CLOSED`: in all of these
   * cases none of the entries is in the log, now or later. `QIP_LOG_OUTCOME_UNKNOWN`: they are at `details.start`, or nowhere;
   * the next append settles it first.
   */
  append(entries: readonly Uint8Array[]): Promise<Appended>
  /**
   * The entry at `index`, checked against the tree.
   *
   * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` · `QIP_LOG_CORRUPT` · `QIP_LOG_MISSING`.
   */
  entry(index: number): Promise<Uint8Array>
  /** The entries `[start, end)`, at most 1,024, checked against the tree. @throws as {@link Log.entry}. */
  entries(start: number, end: number): Promise<readonly Uint8Array[]>
  /** The hash of a subtree; `{ start: 0, end: size }` gives the root of an earlier size. @throws as {@link Log.entry}. */
  subtreeHash(subtree: Subtree): Promise<Uint8Array>
  /** The inclusion proof of the leaf at `index` in the tree of `size` leaves (default: all). @throws as {@link Log.entry}. */
  inclusionProof(index: number, size?: number): Promise<readonly Uint8Array[]>
  /** The inclusion proof of the leaf at `index` in a subtree. For many of one subtree take {@link Log.proveSubtree}. */
  subtreeProof(index: number, subtree: Subtree): Promise<readonly Uint8Array[]>
  /** All inclusion proofs of a subtree of at most 65,536 leaves, from memory. @throws as {@link Log.entry}. */
  proveSubtree(subtree: Subtree): Promise<SubtreeProver>
  /** The proof that the tree of `size2` leaves (default: all) begins with the one of `size1`. @throws as {@link Log.entry}. */
  consistencyProof(size1: number, size2?: number): Promise<readonly Uint8Array[]>
  /** The proof that a subtree is part of the tree of `size` leaves (default: all). @throws as {@link Log.entry}. */
  subtreeConsistencyProof(subtree: Subtree, size?: number): Promise<readonly Uint8Array[]>
  /** The first `width` hashes of a tile, as c2sp.org/tlog-tiles serves them. @throws as {@link Log.entry}. */
  tile(level: number, index: number, width: number): Promise<Uint8Array>
  /** Lets what waits be written, then takes nothing more. Reading goes on. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** The null entry: version 1, type 0. */
export const genesisEntry: Uint8Array = Uint8Array.of(1, 0)

const entriesAtOnceMax = 1_024

/**
 * Opens a log over its storage: reads head and right edge, and checks them against each other.
 *
 * @throws {LogError} `QIP_LOG_CORRUPT` · `QIP_LOG_MISSING` · `QIP_LOG_NOT_AN_EXTENSION`; for the genesis entry what
 * {@link Log.append} throws.
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const { storage, origin, genesis = false, extending } = options
  const tree = await loadTree(storage, origin, extending)
  const log = new StoredLog(options, tree)
  if (genesis && tree.head.size === 0) await log.append([genesisEntry])
  return log
}

class StoredLog implements Log {
  readonly origin: string
  readonly #storage: LogStorage
  readonly #tree: Tree
  readonly #reader: TreeReader
  readonly #appender: Appender

  constructor(options: LogOptions, tree: Tree) {
    this.origin = options.origin
    this.#storage = options.storage
    this.#tree = tree
    this.#reader = new TreeReader(options.storage, tree, options.cachedTilesMax ?? 256)
    this.#appender = new Appender(
      {
        origin: options.origin,
        storage: options.storage,
        writers: options.writers ?? 'one',
        entriesMax: options.batchEntriesMax ?? limits.batchTokensMax,
        bytesMax: options.batchBytesMax ?? 8 * 1024 * 1024,
        queueEntriesMax: options.queueEntriesMax ?? 65_536,
        sizeMax: options.sizeMax ?? limits.logIndexEnd,
        attemptsMax: options.attemptsMax ?? 5,
        pause: options.pause ?? (async () => {}),
      },
      tree,
      this.#reader,
    )
  }

  head(): LogHead {
    return this.#tree.head
  }

  append(entries: readonly Uint8Array[]): Promise<Appended> {
    return this.#appender.append(entries)
  }

  async entry(index: number): Promise<Uint8Array> {
    const [entry] = await this.entries(index, index + 1)
    if (entry === undefined) throw new LogError('QIP_LOG_MISSING', { what: `entry ${index}` })
    return entry
  }

  async entries(start: number, end: number): Promise<readonly Uint8Array[]> {
    this.#check(start, end)
    if (end - start > entriesAtOnceMax) {
      throw new LogError('QIP_LOG_OUT_OF_RANGE', {
        what: 'interval',
        value: start,
        end: start + entriesAtOnceMax,
      })
    }
    const entries = parseEntryBundle(await this.#storage.readEntries(start, end), end - start)
    const ranges = entries.map((_, nth) => ({ start: start + nth, end: start + nth + 1 }))
    const listed = await this.#hashes(ranges)
    for (const [nth, entry] of entries.entries()) {
      if (!equalBytes(leafHash(entry), listed[nth] as Uint8Array)) {
        throw new LogError('QIP_LOG_CORRUPT', { what: `entry ${start + nth}` })
      }
    }
    return entries
  }

  async subtreeHash(subtree: Subtree): Promise<Uint8Array> {
    const [hash] = await this.#hashes([verifySubtree(subtree)])
    return hash as Uint8Array
  }

  inclusionProof(index: number, size: number = this.head().size): Promise<readonly Uint8Array[]> {
    return this.subtreeProof(index, { start: 0, end: size })
  }

  async subtreeProof(index: number, subtree: Subtree): Promise<readonly Uint8Array[]> {
    return this.#hashes(inclusionRanges(index, subtree))
  }

  async proveSubtree(subtree: Subtree): Promise<SubtreeProver> {
    const { start, end } = verifySubtree(subtree)
    this.#check(start, end)
    return buildSubtreeProver({ start, end }, (level, index) => this.#reader.tile(level, index))
  }

  consistencyProof(size1: number, size2?: number): Promise<readonly Uint8Array[]> {
    return this.subtreeConsistencyProof({ start: 0, end: size1 }, size2)
  }

  async subtreeConsistencyProof(subtree: Subtree, size: number = this.head().size) {
    return this.#hashes(consistencyRanges(subtree, size))
  }

  async tile(level: number, index: number, width: number): Promise<Uint8Array> {
    const span = tileSpan(level)
    const isTile = [level, index, width].every(Number.isSafeInteger) && width >= 1 && width <= tileWidthMax
    if (!isTile)
      throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'interval', value: width, end: tileWidthMax })
    this.#check(index * tileWidthMax * span, (index * tileWidthMax + width) * span)
    return (await this.#reader.tile(level, index)).hashes(width)
  }

  close(): Promise<void> {
    return this.#appender.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #hashes(ranges: readonly Subtree[]): Promise<readonly Uint8Array[]> {
    for (const { start, end } of ranges) this.#check(start, end)
    return this.#reader.hashes(ranges)
  }

  #check(start: number, end: number): void {
    const { size } = this.#tree.head
    if (
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(end) ||
      start < 0 ||
      end < start ||
      end > size
    ) {
      throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'interval', value: end, end: size })
    }
  }
}
