import { problemAnswer } from '@quantum-ip/point'
import type { Hold } from './open-calls.ts'
import { pairsOf } from './web-request.ts'

/** Holds a call whose answer is a `Response` of the Fetch standard: until its body has ended, was given up or is cut. */
export class WebHold {
  readonly #leave: (() => void) | undefined
  #isCut = false
  #cutBody: () => void = () => undefined

  constructor(hold: Hold | undefined) {
    this.#leave = hold?.(() => {
      this.#isCut = true
      this.#cutBody()
      this.leave()
    })
  }

  /** For a call that has no answer. May be called more than once. */
  leave(): void {
    this.#leave?.()
  }

  /** The response as it goes out. */
  around(response: Response): Response {
    if (this.#leave === undefined) return response
    const { body } = response
    if (this.#isCut) return this.#ended(body)
    if (body !== null) return new Response(this.#through(body.getReader()), response)
    this.leave()
    return response
  }

  #ended(body: ReadableStream | null): Response {
    body?.cancel().catch(() => undefined)
    const answer = problemAnswer(tokenEnded)
    return new Response(answer.body, { status: answer.status, headers: pairsOf(answer.fields) })
  }

  #through(reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
    const leave = (): void => this.leave()
    return new ReadableStream({
      start: (controller) => {
        this.#cutBody = () => {
          controller.error(new DOMException('the token of this call holds no longer', 'AbortError'))
          reader.cancel().catch(() => undefined)
        }
      },
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read()
          if (this.#isCut) return
          if (!done) return controller.enqueue(value)
          leave()
          controller.close()
        } catch (error) {
          leave()
          throw error
        }
      },
      cancel(reason) {
        leave()
        return reader.cancel(reason)
      },
    })
  }
}

const tokenEnded = {
  status: 401,
  title: 'the token of this call holds no longer',
  code: 'token_refused',
}
