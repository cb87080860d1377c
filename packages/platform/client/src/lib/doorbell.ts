import { wait } from './wait.ts'

/** Ends a wait early. */
export class Doorbell {
  #bell = new AbortController()

  ring(): void {
    this.#bell.abort()
  }

  /** Waits until `ms` are over, somebody rings (or did since the last wait), or `signal` is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await wait(ms, AbortSignal.any([this.#bell.signal, signal]))
    this.#bell = new AbortController()
  }
}
