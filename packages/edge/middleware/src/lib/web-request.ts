import { Buffer } from 'node:buffer'
import type { CallToJudge, QuantumIp } from '../quantum-ip.ts'
import { isReserved, reservedFields } from './fields.ts'
import { coordinates } from './node-request.ts'

/** A `Request` of the Fetch standard on its way to a handler. It may be another one in the end: not everywhere can one be changed. */
export class WebRequest {
  #request: Request

  constructor(request: Request) {
    this.#request = request
  }

  get request(): Request {
    return this.#request
  }

  /** What there is to judge of it. */
  toJudge({ scheme }: Pick<QuantumIp, 'scheme'>): CallToJudge {
    const { method, headers, body, url: text } = this.#request
    const url = new URL(text)
    const authority = headers.get('host') ?? url.host
    const own = scheme ?? (url.protocol === 'https:' ? 'https' : 'http')
    // Equal fields have been joined already. A token has no comma: more than one part is more than one field.
    const flat = [...headers].flatMap(([name, value]) =>
      name === 'tracestate' ? [name, value] : value.split(',').flatMap((part) => [name, part.trim()]),
    )
    return {
      at: coordinates({ method, authority, scheme: own, target: url.pathname + url.search }),
      reserved: reservedFields(flat),
      body: body === null ? undefined : (sizeMax) => this.readAhead(sizeMax),
    }
  }

  /** What handlers are to see in place of the reserved fields. */
  replaceFields(fields: readonly string[]): void {
    try {
      change(this.#request.headers, fields)
    } catch {
      const headers = new Headers(this.#request.headers)
      change(headers, fields)
      this.#request = new Request(this.#request, { headers })
    }
  }

  /** Reads the body, and leaves it as it was: `undefined` where it is longer than `sizeMax`, or somebody else has it. */
  async readAhead(sizeMax: number): Promise<Uint8Array | undefined> {
    const { body } = this.#request
    if (body === null || this.#request.bodyUsed || body.locked) return undefined
    const reader = body.getReader()
    const chunks: Uint8Array[] = []
    for (let size = 0; size <= sizeMax;) {
      const { done, value } = await reader.read()
      if (done) {
        const whole = Buffer.concat(chunks)
        this.#useBody({ body: whole })
        return whole
      }
      chunks.push(value)
      size += value.length
    }
    this.#useBody({ body: putBack(chunks, reader), duplex: 'half' })
    return undefined
  }

  #useBody(init: RequestInit): void {
    this.#request = new Request(this.#request, init)
  }
}

// What was read first, and then the rest as it comes.
function putBack(
  chunks: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  const read = [...chunks]
  return new ReadableStream({
    async pull(controller) {
      const first = read.shift()
      if (first !== undefined) return controller.enqueue(first)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

function change(headers: Headers, fields: readonly string[]): void {
  // A copy: fields must not go while they are walked over.
  const names = [...headers.keys()]
  for (const name of names) if (isReserved(name)) headers.delete(name)
  for (const [name, value] of pairsOf(fields)) headers.set(name, value)
}

/** A flat list as pairs. */
export function pairsOf(fields: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i] as string, fields[i + 1] as string])
  return pairs
}
