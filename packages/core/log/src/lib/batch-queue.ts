/** Entries that one caller wants to append, side by side. */
export interface AppendJob<Result> {
  readonly entries: readonly Uint8Array[]
  readonly bytes: number
  resolve(result: Result): void
  reject(error: unknown): void
}

/** What a batch may hold at most. */
export interface BatchLimits {
  readonly entriesMax: number
  readonly bytesMax: number
}

/** Callers that wait for the next batch, first come first served. */
export class BatchQueue<Result> {
  readonly #limits: BatchLimits
  #jobs: AppendJob<Result>[] = []
  #entries = 0

  constructor(limits: BatchLimits) {
    this.#limits = limits
  }

  /** The number of waiting entries. */
  get entries(): number {
    return this.#entries
  }

  push(job: AppendJob<Result>): void {
    this.#jobs.push(job)
    this.#entries += job.entries.length
  }

  /** Takes as many whole jobs as fit into a batch; at least one if there is one. */
  take(): readonly AppendJob<Result>[] {
    let entries = 0
    let bytes = 0
    let count = 0
    for (const job of this.#jobs) {
      entries += job.entries.length
      bytes += job.bytes
      if (count > 0 && (entries > this.#limits.entriesMax || bytes > this.#limits.bytesMax)) break
      count += 1
    }
    return this.#remove(count)
  }

  /** Takes all. */
  takeAll(): readonly AppendJob<Result>[] {
    return this.#remove(this.#jobs.length)
  }

  #remove(count: number): readonly AppendJob<Result>[] {
    const taken = this.#jobs.splice(0, count)
    for (const job of taken) this.#entries -= job.entries.length
    return taken
  }
}
