import type { Dispatcher, Pool } from 'undici'
import type { AuthorityAnswer, AuthorityRequest, AuthorityStream } from '../request.ts'
import type { Address } from './address.ts'
import { connectionFailure, type Failure, unavailable } from './failure.ts'
import { problemBytesMax, refusedAnswer } from './problem.ts'
import { readBody } from './read-body.ts'

/** What one attempt is made with. */
export interface AttemptOptions {
  readonly pool: Pool
  readonly address: Address
  readonly request: AuthorityRequest
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const answerBytesDefault = 1_048_576

/** One request to one address. Whatever goes wrong is thrown as it is; {@link Attempt.failureOf} makes one of our errors of it. */
export class Attempt {
  readonly #options: AttemptOptions
  readonly #abort = new AbortController()
  #isLate = false
  #refused: Failure | undefined

  constructor(options: AttemptOptions) {
    this.#options = options
  }

  /** The answer, read to its end within the time limit. */
  async answer(): Promise<AuthorityAnswer> {
    const { operation, answerBytesMax = answerBytesDefault } = this.#options.request
    return this.#inTime(async () => {
      const response = await this.#send()
      const { statusCode: status } = response
      const announced = headerOf(response, 'content-length')
      const body = await readBody({ body: response.body, announced, bytesMax: answerBytesMax, operation })
      return { status, mediaType: mediaTypeOf(response), body }
    })
  }

  /** The answer's beginning within the time limit, and its body for as long as it goes on. */
  async stream(): Promise<AuthorityStream> {
    const { signal } = this.#options
    const stop = () => this.#abort.abort()
    const response = await this.#inTime(() => this.#send())
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const chunks = this.#chunks(response.body, () => signal.removeEventListener('abort', stop))
    return { mediaType: mediaTypeOf(response), body: chunks, close: stop }
  }

  /** What `error`, thrown by this attempt, means. */
  failureOf(error: unknown): Failure {
    const { request, address, signal } = this.#options
    const { operation } = request
    if (this.#refused !== undefined) return this.#refused
    if (this.#isLate) {
      const reason = `no answer within ${this.#options.timeoutMs} ms`
      return { error: unavailable(operation, reason), isUnsent: false, isPassing: true }
    }
    if (signal.aborted) {
      return { error: unavailable(operation, 'it was given up'), isUnsent: false, isPassing: false }
    }
    return connectionFailure(error, operation, address.text)
  }

  async *#chunks(body: AsyncIterable<Uint8Array>, finished: () => void): AsyncIterable<Uint8Array> {
    try {
      for await (const chunk of body) yield chunk
    } catch (error) {
      throw this.failureOf(error).error
    } finally {
      finished()
    }
  }

  async #send(): Promise<Dispatcher.ResponseData> {
    const { pool, request } = this.#options
    const { method, target, body, contentType = 'application/json' } = request
    const response = await pool.request({
      method,
      path: target,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': contentType }),
        ...request.headers,
        ...(request.authorize !== undefined && { authorization: request.authorize() }),
      },
      ...(body !== undefined && { body }),
      signal: this.#abort.signal,
    })
    const { statusCode: status } = response
    if (status >= 200 && status < 300) return response
    const answer = {
      status,
      mediaType: mediaTypeOf(response),
      body: await beginningOf(response.body),
      retryAfter: headerOf(response, 'retry-after'),
    }
    this.#refused = refusedAnswer(answer, request.operation)
    throw this.#refused.error
  }

  async #inTime<Value>(work: () => Promise<Value>): Promise<Value> {
    const { timeoutMs, signal } = this.#options
    const stop = () => this.#abort.abort()
    const timer = setTimeout(() => {
      this.#isLate = true
      stop()
    }, timeoutMs)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }
}

// An explanation that is too long is as good as none: the status says enough.
async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > problemBytesMax) return new Uint8Array()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

function mediaTypeOf(response: Dispatcher.ResponseData): string {
  const [type = ''] = (headerOf(response, 'content-type') ?? '').split(';')
  return type.trim().toLowerCase()
}
