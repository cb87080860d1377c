import type { Dispatcher } from 'undici'
import { asksForAnother } from '@quantum-ip/token'

/** How a call is sent again with another token. */
export interface AnotherToken {
  /** Lets the token go that was refused; `false` where no other is to be had. */
  readonly discard: () => boolean
  /** The fields of the call, in place of those of the same names. */
  readonly fields: () => Promise<readonly string[]>
}

/**
 * Sends a call again with another token, once, where its receiver says that this one does not hold, or is older than its memory: one that
 * was drawn before a key was revoked, or before the receiver was started. A body that is streamed is gone then.
 */
export function answerRefusals(another: AnotherToken): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const { body } = options
    if (body !== null && body !== undefined && !(body instanceof Uint8Array))
      return dispatch(options, handler)
    const again = (fields: readonly string[]): void => {
      const headers = replaced(options.headers as readonly string[], fields)
      dispatch({ ...options, headers }, handler)
    }
    return dispatch(options, new Refusable(handler, { another, again }))
  }
}

function replaced(before: readonly string[], fields: readonly string[]): string[] {
  const names = new Set(fields.filter((_, i) => i % 2 === 0))
  const kept: string[] = []
  for (let i = 0; i < before.length; i += 2)
    if (!names.has(before[i] as string)) kept.push(before[i] as string, before[i + 1] as string)
  return [...kept, ...fields]
}

interface Resending {
  readonly another: AnotherToken
  readonly again: (fields: readonly string[]) => void
}

type Start = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>

/** Passes everything on, but an answer that another token may turn; that is kept, for where none can be had. */
class Refusable implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #resending: Resending
  #refused: Start | undefined
  readonly #data: Buffer[] = []
  #dataBytes = 0

  constructor(handler: Dispatcher.DispatchHandler, resending: Resending) {
    this.#handler = handler
    this.#resending = resending
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(...start: Start): void {
    const [, status, headers] = start
    if (isTurned(status, headers) && this.#resending.another.discard()) this.#refused = start
    else this.#handler.onResponseStart?.(...start)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#refused === undefined) {
      this.#handler.onResponseData?.(controller, chunk)
      return
    }
    this.#dataBytes += chunk.length
    if (this.#dataBytes > problemBytesMax) controller.abort(new Error('a refusal that does not end'))
    else this.#data.push(chunk)
  }

  onResponseEnd(...end: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    const refused = this.#refused
    if (refused === undefined) {
      this.#handler.onResponseEnd?.(...end)
      return
    }
    const [controller] = end
    this.#resending.another.fields().then(this.#resending.again, () => {
      this.#handler.onResponseStart?.(...refused)
      for (const chunk of this.#data) this.#handler.onResponseData?.(controller, chunk)
      this.#handler.onResponseEnd?.(...end)
    })
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error)
  }
}

const problemBytesMax = 65_536

function isTurned(status: number, headers: Start[2]): boolean {
  return [headers['www-authenticate'] ?? []].flat().some((text) => asksForAnother(status, text))
}
