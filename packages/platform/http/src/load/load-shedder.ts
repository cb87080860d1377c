import { AdmissionLevel, loadPriorities } from './admission-level.ts'

/** How {@link openLoadShedder} measures and when it sheds. */
export interface LoadShedderOptions {
  /** How late the work of this thread may be, milliseconds, before requests are shed. */
  readonly delayTargetMs: number
  /** How long it must be that late all the time, and how often the level moves; milliseconds. */
  readonly windowMs: number
  /** A monotonic clock in milliseconds. Default the system's. */
  readonly nowMs?: () => number
  /** Processor time of this thread so far, milliseconds. Default the system's. */
  readonly cpuMs?: () => number
}

/** Lets requests in, or sheds them, by how late this thread is with its work. */
export interface LoadShedder extends Disposable {
  /** Whether a request of this priority, its place in `loadPriorities`, is let in. */
  admit(priority: number): boolean
  /**
   * Resolves two to three windows from now: for the answer to a request that was shed. Whoever asks again at once would
   * otherwise spend all the time that shedding saved.
   */
  pause(): Promise<void>
  /** How late work was all through the last window; milliseconds. */
  readonly delayMs: number
  /** What is let in of each priority, 0 to 1. */
  shares(): readonly number[]
}

/** The share of a window for which a thread that is itself too slow has been at work. */
const busyShare = 0.5
/** Looks per window. A look costs a timer; two would mistake one collection of garbage for a queue. */
const looksPerWindow = 5

/**
 * Opens load shedding for the calling thread.
 *
 * What waits for a thread waits in its sockets, where nobody can count it. A timer waits in the same queue: by as much as it is
 * late, requests are. As in CoDel (RFC 8289) the least delay of a window counts, so that a burst or a pause of the collector
 * sheds nothing, and a queue that stays does.
 */
export function openLoadShedder(options: LoadShedderOptions): LoadShedder {
  return new DelayShedder(options)
}

class DelayShedder implements LoadShedder {
  readonly #level = new AdmissionLevel()
  readonly #options: LoadShedderOptions
  readonly #nowMs: () => number
  readonly #cpuMs: () => number
  readonly #tickMs: number
  readonly #timer: NodeJS.Timeout
  #dueMs: number
  #windowEndMs: number
  #cpuSinceMs: number
  #leastMs = Infinity
  // Who waits, by the windows that are left to wait: the last one takes newcomers.
  #pauses = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  delayMs = 0

  constructor(options: LoadShedderOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#cpuMs = options.cpuMs ?? threadCpuMs
    this.#cpuSinceMs = this.#cpuMs()
    this.#tickMs = options.windowMs / looksPerWindow
    this.#dueMs = this.#nowMs() + this.#tickMs
    this.#windowEndMs = this.#nowMs() + options.windowMs
    this.#timer = setInterval(() => this.#tick(), this.#tickMs).unref()
  }

  admit(priority: number): boolean {
    // A thread with a great many sockets may not come to its timers for seconds: then requests tell the time.
    const nowMs = this.#nowMs()
    if (nowMs > this.#windowEndMs + this.#options.windowMs) this.#look(nowMs)
    return this.#level.admit(priority)
  }

  pause(): Promise<void> {
    return this.#pauses.at(-1)?.promise ?? Promise.resolve()
  }

  shares(): readonly number[] {
    return loadPriorities.map((_, priority) => this.#level.shareOf(priority))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    for (const { resolve } of this.#pauses) resolve()
    this.#pauses = []
  }

  #tick(): void {
    const nowMs = this.#nowMs()
    this.#look(nowMs)
    this.#dueMs = nowMs + this.#tickMs
  }

  #look(nowMs: number): void {
    this.#leastMs = Math.min(this.#leastMs, Math.max(0, nowMs - this.#dueMs))
    if (nowMs < this.#windowEndMs) return
    this.delayMs = this.#leastMs
    const { windowMs, delayTargetMs } = this.#options
    const cpuMs = this.#cpuMs()
    const lastedMs = nowMs - this.#windowEndMs + windowMs
    this.#level.endWindow(this.#leastMs, delayTargetMs, cpuMs - this.#cpuSinceMs > busyShare * lastedMs)
    this.#cpuSinceMs = cpuMs
    this.#pauses.shift()?.resolve()
    this.#pauses.push(Promise.withResolvers<void>())
    this.#leastMs = Infinity
    this.#windowEndMs = nowMs + windowMs
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
