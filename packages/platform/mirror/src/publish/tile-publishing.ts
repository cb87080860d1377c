import { type CodedError, isQipError } from '@quantum-ip/base'
import { parseCheckpoint, parseNote } from '@quantum-ip/log'
import { Periodic } from '../lib/periodic.ts'
import { MirrorError } from '../mirror-errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { publishTiles, type TileSource } from './publish-tiles.ts'

/** A log that is published. */
export interface PublishedLog {
  readonly origin: string
  /** Whether it is for ever as it is: then it is published once. */
  readonly isClosed: boolean
  /** The newest checkpoint that may be shown, a signed note; and the log itself. */
  open(): Promise<{ readonly note: string; readonly source: TileSource }>
}

/** What publishing reports. */
export type PublishingEvent =
  | { readonly kind: 'published'; readonly origin: string; readonly store: string; readonly size: number }
  | {
      readonly kind: 'publishing_failed'
      readonly origin: string
      readonly store: string
      readonly error: CodedError
    }

/** What is published, where to and how often. */
export interface TilePublishingOptions {
  /** Asked each time: logs are opened and closed. */
  readonly logs: () => readonly PublishedLog[]
  readonly stores: readonly ObjectStore[]
  readonly intervalMs: number
  readonly onEvent?: (event: PublishingEvent) => void
}

interface Position {
  /** What readers see, and what they saw before. */
  readonly size: number
  readonly before: number
}

/** Publishes logs again and again, each to all stores; a store that is away holds up no other. */
export class TilePublishing {
  readonly #options: TilePublishingOptions
  readonly #positions = new Map<string, Position>()
  /** What failed last at a place: told once, until it changes. */
  readonly #failures = new Map<string, string>()
  readonly #done = new Set<string>()
  readonly #periodic: Periodic

  constructor(options: TilePublishingOptions) {
    this.#options = options
    this.#periodic = new Periodic(options.intervalMs, () => this.#publishAll())
  }

  /** Publishes now what is new. Never rejects: failures are reported, and tried again. */
  publish(): Promise<void> {
    return this.#periodic.run()
  }

  /** Stops, when what is under way has ended. What is new then is published after the next start. */
  async close(): Promise<void> {
    await this.#periodic.close()
  }

  async #publishAll(): Promise<void> {
    const { logs, stores } = this.#options
    for (const log of logs()) {
      if (this.#done.has(log.origin)) continue
      const opened = await this.#open(log)
      if (opened === undefined) continue
      const published = await Promise.all(stores.map((store) => this.#publish(store, opened)))
      if (log.isClosed && published.every(Boolean)) this.#done.add(log.origin)
    }
  }

  async #open(log: PublishedLog): Promise<Opened | undefined> {
    try {
      const opened = { origin: log.origin, ...(await log.open()) }
      this.#failures.delete(`the log ${log.origin}`)
      return opened
    } catch (error) {
      this.#failed(log.origin, 'the log', error)
      return undefined
    }
  }

  /** Returns whether the store has all of it. */
  async #publish(store: ObjectStore, { origin, note, source }: Opened): Promise<boolean> {
    const key = `${store.name} ${origin}`
    const position = this.#positions.get(key)
    const { size } = parseCheckpoint(parseNote(note).text)
    if (position !== undefined && position.size >= size) return true
    try {
      const done = await publishTiles({
        source,
        note,
        store,
        resume: position === undefined,
        ...(position !== undefined && { outdated: position.before }),
      })
      this.#positions.set(key, { size: done.to, before: done.from })
      this.#failures.delete(key)
      if (done.written > 0)
        this.#options.onEvent?.({ kind: 'published', origin, store: store.name, size: done.to })
      return true
    } catch (error) {
      // Compare with what is there next time: nobody knows how far this one came.
      this.#positions.delete(key)
      this.#failed(origin, store.name, error)
      return false
    }
  }

  #failed(origin: string, store: string, error: unknown): void {
    const reason = error instanceof Error ? error.name : 'unknown'
    const coded = isQipError(error)
      ? error
      : new MirrorError('QIP_MIRROR_STORE_UNAVAILABLE', { store, reason })
    const key = `${store} ${origin}`
    if (this.#failures.get(key) === coded.message) return
    this.#failures.set(key, coded.message)
    this.#options.onEvent?.({ kind: 'publishing_failed', origin, store, error: coded })
  }
}

interface Opened {
  readonly origin: string
  readonly note: string
  readonly source: TileSource
}
