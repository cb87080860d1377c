import { concatBytes, equalBytes } from '@quantum-ip/base'
import type { Seeded } from '@quantum-ip/testing'
import { sliceEntryBundle } from '../src/entry-bundle.ts'
import { emptyRoot } from '../src/hash.ts'
import { LogError } from '../src/log-errors.ts'
import type { LogCommit, LogHead, LogStorage } from '../src/log-storage.ts'

/** Mistakes that a storage driver could make; the simulation must find each. */
export type PlantedBug =
  | 'commits without comparing'
  | 'acknowledges before it is durable'
  | 'shows a head that is not durable'
  | 'takes a torn batch for a whole one'
  | 'says nothing was written when something was'

/** How often things go wrong, 0..1. */
export interface FaultRates {
  readonly refuse: number
  readonly fail: number
  readonly late: number
  readonly read: number
}

/** Batches applied one after the other: what a driver would find in its files. */
class Image {
  head: LogHead = { size: 0, root: emptyRoot() }
  readonly tiles = new Map<string, Uint8Array>()
  readonly batches: { start: number; entries: Uint8Array }[] = []

  apply({ expected, next, entries, tiles }: LogCommit): void {
    for (const { level, index, hashes } of tiles) this.tiles.set(`${level}/${index}`, hashes)
    this.batches.push({ start: expected.size, entries })
    this.head = next
  }

  copy(): Image {
    const copy = new Image()
    copy.head = this.head
    for (const [key, tile] of this.tiles) copy.tiles.set(key, tile)
    copy.batches.push(...this.batches)
    return copy
  }

  readEntries(start: number, end: number): Uint8Array {
    const parts = this.batches.map((batch, nth) => {
      const batchEnd = this.batches[nth + 1]?.start ?? this.head.size
      const [from, to] = [Math.max(start, batch.start), Math.min(end, batchEnd)]
      return from < to
        ? sliceEntryBundle(batch.entries, from - batch.start, to - batch.start)
        : new Uint8Array()
    })
    return concatBytes(...parts)
  }
}

/**
 * A machine with one log: a cache that everybody sees, and a disk that gets it when it is synced. Like a database with a
 * write-ahead log: a batch is one record; a record that was torn, and all behind it, are as good as never written.
 */
export class SimulatedMachine {
  readonly #random: Seeded
  #rates: FaultRates
  readonly #bug: PlantedBug | undefined
  #durable = new Image()
  #cache = new Image()
  #unsynced: LogCommit[] = []
  /** Commits that are still under way although their sender has given up. */
  #network: LogCommit[] = []

  constructor(random: Seeded, rates: FaultRates, bug?: PlantedBug) {
    this.#random = random
    this.#rates = rates
    this.#bug = bug
  }

  /** A copy of the disk: what would be left if the power failed now. */
  copyDisk(): LogStorage {
    return reader(this.#durable.copy())
  }

  /** Puts a log there that was written before the plan begins. */
  install(commits: readonly LogCommit[]): void {
    for (const commit of commits) this.#durable.apply(commit)
    this.#cache = this.#durable.copy()
  }

  /** From now on nothing goes wrong any more, and what was under way is gone. */
  calmDown(): void {
    this.#rates = { refuse: 0, fail: 0, late: 0, read: 0 }
    this.#network = []
  }

  /** Power fails: of what was not synced some is kept, up to the first record that is lost or torn. */
  powerLoss(): void {
    for (const commit of this.#unsynced) {
      if (this.#random.chance(0.5)) {
        this.#durable.apply(commit)
        continue
      }
      const half = commit.entries.subarray(0, Math.floor(commit.entries.length / 2))
      if (this.#bug === 'takes a torn batch for a whole one')
        this.#durable.apply({ ...commit, entries: half })
      break
    }
    this.#unsynced = []
    this.#cache = this.#durable.copy()
  }

  /** One of the commits under way arrives. */
  deliver(): void {
    const [commit] = this.#network.splice(this.#random.integer(0, Math.max(0, this.#network.length - 1)), 1)
    if (commit !== undefined && this.#write(commit) === 'written') this.#sync()
  }

  #write(commit: LogCommit): 'written' | 'conflict' {
    const { head } = this.#cache
    const isSame = head.size === commit.expected.size && equalBytes(head.root, commit.expected.root)
    if (!isSame && this.#bug !== 'commits without comparing') return 'conflict'
    this.#cache.apply(commit)
    this.#unsynced.push(commit)
    return 'written'
  }

  #sync(): void {
    for (const commit of this.#unsynced) this.#durable.apply(commit)
    this.#unsynced = []
  }

  /** A process that has the log open. `kill` stops it for ever between two steps. */
  process(): { storage: LogStorage; kill: () => void } {
    let isDead = false
    const random = this.#random
    const step = async (): Promise<void> => {
      for (let turns = random.integer(0, 3); turns > 0; turns--) await Promise.resolve()
      if (isDead) await new Promise<never>(() => {})
    }
    const failAt = async (rate: number): Promise<void> => {
      await step()
      if (random.chance(rate)) throw this.#failure()
    }
    const shown = () => (this.#bug === 'shows a head that is not durable' ? this.#cache : this.#durable)
    const rates = () => this.#rates
    const storage: LogStorage = {
      head: async () => {
        await failAt(rates().read)
        // What is shown must be durable, or somebody could rely on it and lose it.
        if (this.#bug !== 'shows a head that is not durable') this.#sync()
        return shown().head
      },
      commit: async (commit) => {
        await step()
        if (random.chance(rates().refuse))
          throw new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin: 'simulated' })
        await failAt(rates().fail)
        if (random.chance(rates().late)) {
          this.#network.push(commit)
          throw this.#failure()
        }
        if (this.#write(commit) === 'conflict') return 'conflict'
        if (this.#bug === 'acknowledges before it is durable') return 'committed'
        await failAt(rates().fail)
        this.#sync()
        await failAt(rates().fail)
        return 'committed'
      },
      readTile: async (level, index) => {
        await failAt(rates().read)
        return shown().tiles.get(`${level}/${index}`)
      },
      readEntries: async (start, end) => {
        await failAt(rates().read)
        return shown().readEntries(start, end)
      },
    }
    return { storage, kill: () => (isDead = true) }
  }

  #failure(): Error {
    return this.#bug === 'says nothing was written when something was'
      ? new LogError('QIP_LOG_STORAGE_UNAVAILABLE', { origin: 'simulated' })
      : new Error('simulated failure')
  }
}

/** A storage that only reads. */
function reader(image: Image): LogStorage {
  return {
    head: async () => image.head,
    readTile: async (level, index) => image.tiles.get(`${level}/${index}`),
    readEntries: async (start, end) => image.readEntries(start, end),
    commit: () => Promise.reject(new Error('read only')),
  }
}
