import type { Buffer } from 'node:buffer'
import { type ServerHttp2Stream, constants } from 'node:http2'
import { removeFields } from './field-scan.ts'
import type { Reply, ReplyHead, ReplyListener } from './reply.ts'

/** A {@link Reply} over one stream of `node:http2`. */
export class Http2Reply implements Reply {
  readonly #stream: ServerHttp2Stream
  readonly #bodiless: boolean
  readonly takesInterim = true
  readonly takesTrailers = true
  #trailers: Record<string, string | string[]> | undefined

  constructor(stream: ServerHttp2Stream, bodiless: boolean, listener: ReplyListener) {
    this.#stream = stream
    this.#bodiless = bodiless
    stream.on('drain', () => {
      listener.drained()
    })
    stream.on('close', () => {
      listener.closed()
    })
    // What failed is told by `close`; without a listener it would end the process.
    stream.on('error', () => {})
    stream.on('wantTrailers', () => {
      this.#sendTrailers()
    })
  }

  get started(): boolean {
    return this.#stream.headersSent
  }

  get blocked(): boolean {
    return this.#stream.writableNeedDrain
  }

  interim(status: number, fields: readonly string[]): void {
    if (this.#stream.closed || this.#stream.headersSent) return
    const headers: Record<string, string | string[] | number> = gather(fields)
    headers[':status'] = status
    this.#stream.additionalHeaders(headers)
  }

  start({ status, fields }: ReplyHead): void {
    if (this.#stream.closed || this.#stream.destroyed) return
    removeFields(fields, connectionFields)
    for (let i = 0; i < fields.length; i += 2) fields[i] = (fields[i] as string).toLowerCase()
    const waitForTrailers = !this.#bodiless && status !== 204 && status !== 205 && status !== 304
    this.#stream.respond([':status', String(status), ...fields], { waitForTrailers })
  }

  write(chunk: Buffer): boolean {
    return this.#stream.writable ? this.#stream.write(chunk) : true
  }

  end(trailers: readonly string[]): void {
    if (trailers.length > 0) this.#trailers = gather(trailers)
    this.#stream.end()
  }

  destroy(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    this.#stream.destroy()
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(this.#trailers ?? {})
    } catch {
      // The upstream's trailers are not ones that HTTP/2 can carry, or the stream is gone: it must not look whole.
      this.destroy()
    }
  }
}

const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
])

function gather(fields: readonly string[]): Record<string, string | string[]> {
  const gathered: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase()
    const value = fields[i + 1] as string
    const before = gathered[name]
    if (before === undefined) gathered[name] = value
    else if (Array.isArray(before)) before.push(value)
    else gathered[name] = [before, value]
  }
  return gathered
}
