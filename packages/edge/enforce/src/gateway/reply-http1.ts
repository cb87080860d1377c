import type { Buffer } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import type { Reply, ReplyHead, ReplyListener } from './reply.ts'

/** Bytes of a body that wait for the end of the turn: what is that short mostly ends with it. */
const holdBytesMax = 4_096

/**
 * A {@link Reply} over `node:http`.
 *
 * Head and first bytes wait for the end of the turn in which they came. An answer that ends in that turn, as
 * most do, goes out in one write, with its length instead of chunks: half the cost of two.
 */
export class Http1Reply implements Reply {
  readonly #response: ServerResponse
  readonly takesInterim: boolean
  readonly takesTrailers: boolean
  #head: ReplyHead | undefined
  #held: Buffer | undefined

  constructor(response: ServerResponse, listener: ReplyListener) {
    this.#response = response
    this.takesInterim = response.req.httpVersionMinor === 1
    this.takesTrailers = this.takesInterim
    response.on('drain', () => {
      listener.drained()
    })
    response.on('close', () => {
      listener.closed()
    })
  }

  get started(): boolean {
    return this.#response.headersSent
  }

  get blocked(): boolean {
    return this.#response.writableNeedDrain
  }

  interim(status: number, fields: readonly string[]): void {
    if (status === 100) this.#response.writeContinue()
    else this.#response.writeInformation(status, [...fields])
  }

  start(head: ReplyHead): void {
    this.#head = head
    this.#held = undefined
    process.nextTick(flush, this)
  }

  write(chunk: Buffer): boolean {
    if (this.#head !== undefined && this.#held === undefined && chunk.length <= holdBytesMax) {
      this.#held = chunk
      return true
    }
    this.flush()
    return this.#response.write(chunk)
  }

  /** Sends what is held. */
  flush(): void {
    const held = this.#held
    if (this.#head === undefined) return
    this.#writeHead()
    if (held === undefined) this.#response.flushHeaders()
    else this.#response.write(held)
  }

  end(trailers: readonly string[]): void {
    const head = this.#head
    if (head !== undefined && !head.announced && trailers.length === 0) {
      this.#endWhole(head)
      return
    }
    this.flush()
    if (trailers.length > 0) this.#response.addTrailers(pairs(trailers))
    this.#response.end()
  }

  // Latin-1 maps bytes to characters one to one; head and body become one string and one write.
  #endWhole(head: ReplyHead): void {
    const { status, fields } = head
    const held = this.#held
    const bodiless = this.#response.req.method === 'HEAD' || status === 204 || status === 304
    if (!bodiless && !head.sized) {
      fields.push('content-length', String(held?.length ?? 0))
    }
    this.#writeHead()
    if (held === undefined || bodiless) this.#response.end()
    else this.#response.end(held.toString('latin1'), 'latin1')
  }

  #writeHead(): void {
    const { status, reason, fields, close } = this.#head as ReplyHead
    this.#head = undefined
    this.#held = undefined
    if (close) fields.push('connection', 'close')
    if (reason === undefined || reason === '') this.#response.writeHead(status, fields)
    else this.#response.writeHead(status, reason, fields)
  }

  destroy(): void {
    this.#head = undefined
    this.#response.destroy()
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  const paired: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) paired.push([flat[i] as string, flat[i + 1] as string])
  return paired
}

function flush(reply: Http1Reply): void {
  try {
    reply.flush()
  } catch {
    // An upstream's field that the runtime refuses to send.
    reply.destroy()
  }
}
