import { Buffer } from 'node:buffer'
import type { Dispatcher } from 'undici'
import { metadataNames, readChallenge } from '@quantum-ip/token'

/** What of a call that was refused by its receiver may matter to whoever attached the token. */
export interface ChallengeListener {
  /** It was sent again with its head. */
  readonly onHeadSent: () => void
}

/**
 * Keeps the head of a token back, and sends a request again with it, once, where the receiver asks for it (401 with `head="required"`).
 *
 * It is the same token: a one-time token is used up only by who could verify it. A body that is streamed is gone then, and the 401 goes
 * to the application; so such a request has its head from the start.
 */
export function answerChallenges({ onHeadSent }: ChallengeListener): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const fields = options.headers as string[]
    const at = headAt(fields)
    if (at === undefined || !isWhole(options.body)) return dispatch(options, handler)
    const headers = [...fields.slice(0, at), ...fields.slice(at + 2)]
    const again = (): void => {
      onHeadSent()
      dispatch(options, handler)
    }
    return dispatch({ ...options, headers }, new FirstAttempt(handler, again))
  }
}

function headAt(fields: readonly string[]): number | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === metadataNames.head) return i
  return undefined
}

function isWhole(body: unknown): boolean {
  return body === null || body === undefined || Buffer.isBuffer(body)
}

/** Passes everything on, but an answer that asks for the head. */
class FirstAttempt implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #again: () => void
  #isChallenged = false

  constructor(handler: Dispatcher.DispatchHandler, again: () => void) {
    this.#handler = handler
    this.#again = again
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2],
    reason?: string,
  ): void {
    this.#isChallenged = status === 401 && asksForHead(headers['www-authenticate'])
    if (!this.#isChallenged) this.#handler.onResponseStart?.(controller, status, headers, reason)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isChallenged) this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(
    controller: Dispatcher.DispatchController,
    trailers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>[1],
  ): void {
    if (this.#isChallenged) this.#again()
    else this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error)
  }
}

function asksForHead(value: string | readonly string[] | undefined): boolean {
  const texts = typeof value === 'string' ? [value] : (value ?? [])
  return texts.some((text) => readChallenge(text)?.head === 'required')
}
