/** What one pass over the fields of a request finds. Fields are flat: name, value, name, value. */
export interface FieldScan {
  /** The end-to-end fields, in order, duplicates kept; without framing, forwarding and reserved fields. */
  readonly forward: string[]
  /** The fields that belong to the guard, with lower-case names. */
  readonly reserved: string[]
  host: string | undefined
  hosts: number
  contentLength: string | undefined
  contentLengths: number
  transferEncoding: string | undefined
  connection: string | undefined
  expect: string | undefined
  upgrade: string | undefined
  te: string | undefined
  /** How often this very gateway stands in `Via`. */
  passes: number
  forwardedFor: string | undefined
  forwardedHost: string | undefined
  forwardedProto: string | undefined
  methodOverride: boolean
  /** Where the one `Cookie` field stands in `forward`, or -1. */
  cookieAt: number
}

// What is done with a field. Everything that is not listed is forwarded.
const drop = 1
const forwarding = 2
const special = 3
const reservedField = 4

/** Fields that say where a request came from, or where it goes: believed from trusted proxies only. */
const forwardingNames = [
  'forwarded',
  'x-client-ip',
  'x-forwarded-by',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-original-host',
  'x-original-url',
  'x-real-ip',
  'x-rewrite-url',
]

/** Fields of one connection only (RFC 9110, section 7.6.1; RFC 9112), or of the proxy itself. */
const hopNames = [
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'trailer',
]

/** Fields by which some servers take another method than the one of the request line. */
export const methodOverrideNames = ['x-http-method', 'x-http-method-override', 'x-method-override'] as const

const specialNames = [
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'te',
  'transfer-encoding',
  'upgrade',
  'via',
  ...methodOverrideNames,
]

/** Scans request fields. Made once, for a set of reserved names and the name that stands in `Via`. */
export class FieldScanner {
  readonly #kinds = new Map<string, number>()
  readonly #via: string

  constructor(options: { readonly reserved: readonly string[]; readonly name: string }) {
    for (const name of forwardingNames) this.#kinds.set(name, forwarding)
    for (const name of hopNames) this.#kinds.set(name, drop)
    for (const name of specialNames) this.#kinds.set(name, special)
    for (const name of options.reserved) this.#kinds.set(name.toLowerCase(), reservedField)
    this.#via = options.name.toLowerCase()
  }

  /** One pass over `raw`. `trusted`: the peer is a proxy whose forwarding fields are believed. */
  scan(raw: readonly string[], trusted: boolean): FieldScan {
    const found = emptyScan()
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string
      const value = raw[i + 1] as string
      const lower = name.toLowerCase()
      const kind = this.#kinds.get(lower)
      if (kind === undefined) {
        // A pseudo-field of HTTP/2, or another spelling of a field that means something here.
        if (name.charCodeAt(0) === colon || (odd.test(lower) && this.#spoofs(lower))) continue
        found.forward.push(name, value)
      } else if (kind === special) this.#special(found, { name, lower, value })
      else if (kind === reservedField) found.reserved.push(lower, value)
      else if (kind === forwarding && trusted) noteForwarding(found, { name, lower, value })
    }
    if (found.connection !== undefined) dropNominated(found, found.connection)
    return found
  }

  // Servers that turn `-`, `_` and `.` into one another (CGI and its heirs) would read them as ours.
  #spoofs(lower: string): boolean {
    return this.#kinds.has(lower.replaceAll(/[^a-z0-9]/g, '-'))
  }

  #special(found: FieldScan, field: Field): void {
    const { name, lower, value } = field
    switch (lower) {
      case 'connection':
        found.connection = found.connection === undefined ? value : `${found.connection},${value}`
        break
      case 'content-length':
        found.contentLength = value
        found.contentLengths++
        break
      case 'cookie':
        noteCookie(found, name, value)
        break
      case 'expect':
        found.expect = value
        break
      case 'host':
        found.host = value
        found.hosts++
        break
      case 'te':
        found.te = value
        break
      case 'transfer-encoding':
        found.transferEncoding =
          found.transferEncoding === undefined ? value : `${found.transferEncoding},${value}`
        break
      case 'upgrade':
        found.upgrade = value
        break
      case 'via':
        found.passes += this.#passes(value)
        found.forward.push(name, value)
        break
      default:
        found.methodOverride = true
    }
  }

  #passes(via: string): number {
    let count = 0
    for (const hop of via.toLowerCase().split(',')) if (hop.trim().split(/[ \t]+/)[1] === this.#via) count++
    return count
  }
}

interface Field {
  readonly name: string
  readonly lower: string
  readonly value: string
}

const colon = 0x3a
const odd = /[^a-z0-9-]/

function emptyScan(): FieldScan {
  return {
    forward: [],
    reserved: [],
    host: undefined,
    hosts: 0,
    contentLength: undefined,
    contentLengths: 0,
    transferEncoding: undefined,
    connection: undefined,
    expect: undefined,
    upgrade: undefined,
    te: undefined,
    passes: 0,
    forwardedFor: undefined,
    forwardedHost: undefined,
    forwardedProto: undefined,
    methodOverride: false,
    cookieAt: -1,
  }
}

function noteForwarding(found: FieldScan, { name, lower, value }: Field): void {
  // The three that the relay writes itself are kept apart; the others pass.
  if (lower === 'x-forwarded-for') {
    found.forwardedFor = found.forwardedFor === undefined ? value : `${found.forwardedFor}, ${value}`
  } else if (lower === 'x-forwarded-host') found.forwardedHost ??= value
  else if (lower === 'x-forwarded-proto') found.forwardedProto ??= value
  else found.forward.push(name, value)
}

// HTTP/2 splits cookies into fields of their own; towards HTTP/1.1 they are one again (RFC 9113, section 8.2.3).
function noteCookie(found: FieldScan, name: string, value: string): void {
  if (found.cookieAt >= 0) {
    found.forward[found.cookieAt + 1] += `; ${value}`
    return
  }
  found.cookieAt = found.forward.length
  found.forward.push(name, value)
}

/** Removes from `scan.forward` the fields that `Connection` names (RFC 9110, section 7.6.1). */
function dropNominated(scan: FieldScan, connection: string): void {
  const names = nominated(connection)
  if (names === undefined) return
  removeFields(scan.forward, names)
}

/** The field names in a `Connection` value, lower case; `undefined` where there is nothing but `close` and `keep-alive`. */
export function nominated(connection: string): Set<string> | undefined {
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return undefined
  const names = new Set<string>()
  for (const part of lower.split(',')) {
    const name = part.trim()
    if (name !== '' && name !== 'keep-alive' && name !== 'close') names.add(name)
  }
  return names.size === 0 ? undefined : names
}

/** Removes the named fields from a flat list, in place. */
export function removeFields(fields: string[], names: ReadonlySet<string>): void {
  let kept = 0
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    if (names.has(name.toLowerCase())) continue
    fields[kept] = name
    fields[kept + 1] = fields[i + 1] as string
    kept += 2
  }
  fields.length = kept
}
