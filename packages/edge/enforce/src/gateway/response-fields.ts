import { Buffer } from 'node:buffer'
import { nominated, removeFields } from './field-scan.ts'

// Of one connection only (RFC 9110, section 7.6.1). Trailer is end-to-end, but only goes where trailers go.
const hop: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

const trailerName: ReadonlySet<string> = new Set(['trailer'])

// Not allowed in trailers (RFC 9110, section 6.5.1): framing, routing, and what changes how the message is read.
const notInTrailers: ReadonlySet<string> = new Set([
  ...hop,
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'set-cookie',
  'trailer',
])

/** Raw fields of the dispatcher: buffers of HTTP/1.1, an object of HTTP/2. */
export type RawFields =
  | readonly (Buffer | string)[]
  | Readonly<Record<string, string | string[] | undefined>>
  | null
  | undefined

/** The end-to-end fields of a response head. */
export interface ResponseFields {
  /** Flat, in order, duplicates kept. */
  readonly fields: string[]
  /** Whether they say how long the body is. */
  readonly sized: boolean
  /** Whether they announce trailers: only where there can be some. */
  readonly announced: boolean
}

/** The fields of a response head that go on to the client. `trailers`: whether the client can be sent some. */
export function responseFields(raw: RawFields, options: { readonly trailers: boolean }): ResponseFields {
  const fields: string[] = []
  let connection: string | undefined
  let length = -1
  let coded = false
  let announced = false
  eachField(raw, (name, value) => {
    const lower = name.toLowerCase()
    if (lower === 'connection') connection = connection === undefined ? value : `${connection},${value}`
    else if (lower === 'transfer-encoding') coded = true
    else if (lower === 'content-length') {
      // Equal repetitions passed the parser; one is enough.
      if (length < 0) length = fields.push(name, value) - 2
    } else if (!hop.has(lower)) {
      announced ||= lower === 'trailer'
      fields.push(name, value)
    }
  })
  // A message with both has the length that its coding says (RFC 9112, section 6.3).
  if (coded && length >= 0) fields.splice(length, 2)
  const sized = length >= 0 && !coded
  if (announced && (sized || !options.trailers)) {
    removeFields(fields, trailerName)
    announced = false
  }
  const names = connection === undefined ? undefined : nominated(connection)
  if (names !== undefined) removeFields(fields, names)
  return { fields, sized: sized && names?.has('content-length') !== true, announced }
}

/** The trailers that go on to the client. */
export function trailerFields(raw: RawFields): string[] {
  const fields: string[] = []
  eachField(raw, (name, value) => {
    if (!notInTrailers.has(name.toLowerCase())) fields.push(name, value)
  })
  return fields
}

function eachField(raw: RawFields, take: (name: string, value: string) => void): void {
  if (raw === null || raw === undefined) return
  if (isFlat(raw)) {
    for (let i = 0; i < raw.length; i += 2) take(latin1(raw[i]), latin1(raw[i + 1]))
    return
  }
  for (const [name, value] of Object.entries(raw)) {
    if (value === undefined || name.startsWith(':')) continue
    if (typeof value === 'string') take(name, value)
    else for (const one of value) take(name, one)
  }
}

function isFlat(raw: NonNullable<RawFields>): raw is readonly (Buffer | string)[] {
  return Array.isArray(raw)
}

// Bytes, not characters: what came in goes out the same.
function latin1(text: Buffer | string | undefined): string {
  return Buffer.isBuffer(text) ? text.toString('latin1') : (text ?? '')
}
