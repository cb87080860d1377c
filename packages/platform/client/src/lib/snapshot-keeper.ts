import { isQipError } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent } from '../follower-events.ts'
import { writeSnapshotFile } from './snapshot-file.ts'
import { wait } from './wait.ts'

/** What a keeper works with. */
export interface SnapshotKeeperOptions {
  readonly file: string
  readonly store: TrustStore
  readonly snapshotMs: number
  readonly report: (event: FollowerEvent) => void
}

/** Making a snapshot may take one part in so many of the time: a hundred megabytes of heads are not put together every 5 s. */
const restRatio = 50

/** Writes the trust that is held to disk, where it changed. */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions
  readonly #unsubscribe: () => void
  #isChanged = false
  #restMs = 0

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options
    const changed = () => {
      this.#isChanged = true
    }
    this.#unsubscribe = options.store.subscribe({ onState: changed, onBundle: changed })
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(Math.max(this.#options.snapshotMs, this.#restMs), signal)
      if (!signal.aborted) await this.#write()
    }
  }

  /** Writes a last one. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await this.#write()
  }

  async #write(): Promise<void> {
    if (!this.#isChanged) return
    const { file, store, report } = this.#options
    this.#isChanged = false
    const startMs = performance.now()
    const bytes = store.exportSnapshot()
    this.#restMs = (performance.now() - startMs) * restRatio
    try {
      await writeSnapshotFile(file, bytes)
      report({ kind: 'snapshot_written', bytes: bytes.length })
    } catch (error) {
      if (!isQipError(error)) throw error
      this.#isChanged = true
      report({ kind: 'snapshot_unwritable', error })
    }
  }
}
