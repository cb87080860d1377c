import type { Dispatcher } from 'undici'

type Handler = Dispatcher.DispatchHandler

/** What a request is given up by while it waits for its token: nothing was sent yet, and whoever called is told at once. */
export class WaitingController implements Dispatcher.DispatchController {
  readonly #handler: Handler
  #reason: Error | null = null

  constructor(handler: Handler) {
    this.#handler = handler
    handler.onRequestStart?.(this, {})
  }

  get aborted(): boolean {
    return this.#reason !== null
  }

  get reason(): Error | null {
    return this.#reason
  }

  get paused(): boolean {
    return false
  }

  abort(reason: Error): void {
    this.fail(reason)
  }

  /** Ends the request, once. */
  fail(error: unknown): void {
    if (this.aborted) return
    this.#reason = error instanceof Error ? error : new Error('no token could be had', { cause: error })
    this.#handler.onResponseError?.(this, this.#reason)
  }

  pause(): void {
    // Nothing flows yet.
  }

  resume(): void {
    // Nothing flows yet.
  }
}
