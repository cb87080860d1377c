/** Does something again and again, one run after the other; a run that is asked for while one is under way follows it. */
export class Periodic {
  readonly #work: () => Promise<void>
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined
  #following: Promise<void> | undefined
  #closed = false

  /** @param work never rejects */
  constructor(intervalMs: number, work: () => Promise<void>) {
    this.#work = work
    this.#timer = setInterval(() => {
      // What takes longer than the interval is not started twice.
      if (this.#running === undefined) void this.run()
    }, intervalMs)
    this.#timer.unref()
  }

  /** Runs from beginning to end what was not begun when this was called. */
  run(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    if (this.#running === undefined) return this.#start()
    this.#following ??= this.#running.then(() => {
      this.#following = undefined
      return this.#closed ? undefined : this.#start()
    })
    return this.#following
  }

  /** Stops, when what is under way has ended. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#closed = true
    await (this.#following ?? this.#running)
  }

  #start(): Promise<void> {
    this.#running = this.#work().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }
}
