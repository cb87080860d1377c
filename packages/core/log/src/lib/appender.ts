import { limits } from '@quantum-ip/base'
import { formatEntryBundle } from '../entry-bundle.ts'
import { hashSize, leafHashInto } from '../hash.ts'
import { LogError } from '../log-errors.ts'
import type { LogCommit, LogHead, LogStorage } from '../log-storage.ts'
import { tileWidthMax } from '../tile.ts'
import { type AppendJob, type BatchLimits, BatchQueue } from './batch-queue.ts'
import { loadTree } from './load-tree.ts'
import { type CommitOutcome, type SettlePatience, settleCommit } from './settle-commit.ts'
import type { Tree, TreeReader } from './tree-reader.ts'

/** Where the entries of one append ended up, and the head of the batch that holds them. */
export interface Appended extends LogHead {
  readonly start: number
  readonly end: number
}

/** How an appender works. */
export interface AppenderOptions extends BatchLimits, SettlePatience {
  readonly origin: string
  readonly storage: LogStorage
  readonly writers: 'one' | 'many'
  readonly queueEntriesMax: number
  readonly sizeMax: number
}

/** Times that a batch is moved behind those of other writers before its callers are told to come again. */
const racesMax = 32

/**
 * Appends batches, one after the other: while one is under way, callers gather for the next (group commit).
 *
 * INVARIANT: a caller is answered only when the storage holds its entries durably; `#tree` is what storage acknowledged.
 */
export class Appender {
  readonly #options: AppenderOptions
  readonly #tree: Tree
  readonly #reader: TreeReader
  readonly #queue: BatchQueue<Appended>
  /** A batch of which nobody knows whether it is in the log. Nothing else is written before that is settled. */
  #unsettled: LogCommit | undefined
  /** Why nothing can be appended any more. */
  #ended: LogError | undefined
  #isClosing = false
  #running: Promise<void> | undefined

  constructor(options: AppenderOptions, tree: Tree, reader: TreeReader) {
    this.#options = options
    this.#tree = tree
    this.#reader = reader
    this.#queue = new BatchQueue(options)
  }

  append(entries: readonly Uint8Array[]): Promise<Appended> {
    return new Promise((resolve, reject) => {
      const bytes = this.#admit(entries)
      this.#queue.push({ entries, bytes, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Lets what waits be written, then takes nothing more. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#running
  }

  /** Checks all limits before anything is queued, and returns the bytes of the entries. */
  #admit(entries: readonly Uint8Array[]): number {
    const { entriesMax, bytesMax, queueEntriesMax, sizeMax } = this.#options
    if (this.#ended !== undefined) throw this.#ended
    if (this.#isClosing) throw new LogError('QIP_LOG_CLOSED', { origin: this.#options.origin })
    if (entries.length === 0) throw new TypeError('nothing to append')
    let bytes = 0
    for (const { length } of entries) {
      const max = limits.logEntryBytesMax
      if (length > max) throw new LogError('QIP_LOG_ENTRY_TOO_LONG', { length, max })
      bytes += length
    }
    if (entries.length > entriesMax) {
      throw new LogError('QIP_LOG_BATCH_TOO_LARGE', {
        size: entries.length,
        max: entriesMax,
        unit: 'entries',
      })
    }
    if (bytes > bytesMax)
      throw new LogError('QIP_LOG_BATCH_TOO_LARGE', { size: bytes, max: bytesMax, unit: 'bytes' })
    const waiting = this.#queue.entries
    if (waiting + entries.length > queueEntriesMax) {
      throw new LogError('QIP_LOG_OVERLOADED', { waiting, max: queueEntriesMax })
    }
    const size = this.#tree.edge.size + waiting
    if (size + entries.length > sizeMax) throw new LogError('QIP_LOG_FULL', { size, max: sizeMax })
    return bytes
  }

  async #run(): Promise<void> {
    // Callers of the same turn share the first batch too.
    await Promise.resolve()
    for (let jobs = this.#queue.take(); jobs.length > 0; jobs = this.#queue.take()) {
      try {
        await this.#write(jobs)
      } catch (error) {
        for (const job of jobs) job.reject(error)
        if (this.#ended !== undefined) for (const job of this.#queue.takeAll()) job.reject(this.#ended)
      }
    }
    this.#running = undefined
  }

  /** Writes one batch and answers its callers, or throws: then nothing of it is in the log, or nobody knows. */
  async #write(jobs: readonly AppendJob<Appended>[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended
    await this.#settleUnsettled()
    const entries = jobs.flatMap((job) => job.entries)
    const bundle = formatEntryBundle(entries)
    for (let race = 0; race < racesMax; race++) {
      const commit = this.#prepare(entries, bundle)
      const outcome = await this.#settle(commit, false)
      if (outcome.kind === 'committed') return answer(jobs, commit)
    }
    throw new LogError('QIP_LOG_OVERLOADED', { waiting: entries.length, max: racesMax })
  }

  /** Adds the entries to the edge, tentatively, and makes the commit that would make them lasting. */
  #prepare(entries: readonly Uint8Array[], bundle: Uint8Array): LogCommit {
    const { edge, head: expected } = this.#tree
    edge.mark()
    const hash = new Uint8Array(hashSize)
    for (const entry of entries) {
      leafHashInto(entry, hash, 0)
      edge.append(hash, 0)
    }
    const tiles = edge
      .changed()
      .map((tile) => ({ level: tile.level, index: tile.index, hashes: tile.hashes() }))
    return { expected, next: { size: edge.size, root: edge.root() }, entries: bundle, tiles }
  }

  /** Commits, and brings `#tree` to what the storage holds then. Returns only with `committed` or a `conflict` to be retried. */
  async #settle(commit: LogCommit, isAgain: boolean): Promise<CommitOutcome> {
    const { origin, storage } = this.#options
    const outcome = await settleCommit(storage, commit, this.#options, isAgain)
    if (outcome.kind === 'unknown') {
      this.#unsettled = commit
      const { expected, next } = commit
      throw new LogError(
        'QIP_LOG_OUTCOME_UNKNOWN',
        { origin, start: expected.size, end: next.size },
        { cause: outcome.cause },
      )
    }
    this.#unsettled = undefined
    if (outcome.kind === 'committed') {
      this.#accept(commit)
      return outcome
    }
    this.#tree.edge.restore()
    if (outcome.kind === 'refused') {
      throw new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin }, { cause: outcome.cause })
    }
    await this.#followOthers()
    return outcome
  }

  #accept({ next }: LogCommit): void {
    const { edge } = this.#tree
    for (const tile of edge.changed()) if (tile.width === tileWidthMax) this.#reader.keep(tile)
    edge.keep()
    this.#tree.head = next
  }

  /** Somebody else has written. With one writer that is the end; with many, their head is the new base. */
  async #followOthers(): Promise<void> {
    const { origin, storage, writers } = this.#options
    try {
      const { head, edge } = await loadTree(storage, origin, this.#tree.head)
      if (writers === 'one') throw new LogError('QIP_LOG_OTHER_WRITER', { origin, size: head.size })
      this.#tree.head = head
      this.#tree.edge = edge
    } catch (cause) {
      if (!(cause instanceof LogError) || cause.code === 'QIP_LOG_STORAGE_UNAVAILABLE') {
        throw new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin }, { cause })
      }
      this.#ended = cause
      throw cause
    }
  }

  /** Finds out what became of an earlier batch, before anything new is tried. */
  async #settleUnsettled(): Promise<void> {
    if (this.#unsettled === undefined) return
    try {
      await this.#settle(this.#unsettled, true)
    } catch (cause) {
      if (cause instanceof LogError && cause.code !== 'QIP_LOG_OUTCOME_UNKNOWN') throw cause
      // Nothing of the new batch was written.
      throw new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin: this.#options.origin }, { cause })
    }
  }
}

function answer(jobs: readonly AppendJob<Appended>[], { expected, next }: LogCommit): void {
  let start = expected.size
  for (const job of jobs) {
    const end = start + job.entries.length
    job.resolve({ start, end, ...next })
    start = end
  }
}
