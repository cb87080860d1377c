import { readChallenge } from '@quantum-ip/token'
import type { Dispatcher } from 'undici'
import type { WaitingController } from './waiting-controller.ts'

type Handler = Dispatcher.DispatchHandler
type Controller = Dispatcher.DispatchController
type Fields = Parameters<NonNullable<Handler['onResponseStart']>>[2]

// What a refusal may say before nobody listens any more. Ours are a few hundred bytes.
const drainedMax = 65_536

/** Hears the answer to a request with a token. One that asks for its head is kept from whoever called, and `again` is called in its place. */
export class ChallengedHandler implements Handler {
  readonly #handler: Handler
  readonly #waiting: WaitingController
  readonly #again: (() => void) | undefined
  #isAsked = false
  #isEnough = false
  #drained = 0

  constructor(handler: Handler, waiting: WaitingController, again: (() => void) | undefined) {
    this.#handler = handler
    this.#waiting = waiting
    this.#again = again
  }

  onRequestStart(controller: Controller, context: unknown): void {
    // Given up while it waited for a connection: who called knows already.
    if (this.#waiting.reason !== null) controller.abort(this.#waiting.reason)
    else this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(...upgrade: Parameters<NonNullable<Handler['onRequestUpgrade']>>): void {
    this.#handler.onRequestUpgrade?.(...upgrade)
  }

  onResponseStart(controller: Controller, status: number, fields: Fields, message?: string): void {
    this.#isAsked = this.#again !== undefined && status === 401 && asksForHead(fields)
    if (!this.#isAsked) this.#handler.onResponseStart?.(controller, status, fields, message)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (!this.#isAsked) return this.#handler.onResponseData?.(controller, chunk)
    this.#drained += chunk.length
    if (this.#drained <= drainedMax || this.#isEnough) return
    this.#isEnough = true
    controller.abort(new Error('a challenge that does not end'))
  }

  onResponseEnd(controller: Controller, trailers: Fields): void {
    if (this.#isAsked) this.#again?.()
    else this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#isEnough) this.#again?.()
    else if (!this.#waiting.aborted) this.#handler.onResponseError?.(controller, error)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }
}

function asksForHead(fields: Fields): boolean {
  return readChallenge([fields['www-authenticate'] ?? ''].flat().join(', '))?.head === 'required'
}
