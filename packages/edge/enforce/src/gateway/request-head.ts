import type { Buffer } from 'node:buffer'
import {
  type Authority,
  type ClientCertificate,
  type RequestCoordinates,
  type RequestTarget,
  readAuthority,
  readTarget,
} from '@quantum-ip/point'
import { type FieldScan, type FieldScanner } from './field-scan.ts'
import { type TrustedPeers, clientAddress, plainAddress } from './peers.ts'
import type { RelayProblem } from './problem.ts'
import type { ListenerOptions } from './relay-options.ts'

/** A request as it arrived, before any rewriting: what a guard decides about. `path`: see {@link RequestTarget}. */
export interface RequestHead extends RequestCoordinates {
  readonly port: number | undefined
  /** From `?` on, or empty. */
  readonly query: string
  readonly version: '1.0' | '1.1' | '2'
  /** Address of the client: the peer, or what trusted proxies say. Empty on a Unix socket. */
  readonly client: string
  /** Address of the other end of the connection. Empty on a Unix socket. */
  readonly peer: string
  readonly listener: ListenerOptions
  /** The protocol that the client asks to upgrade to, lower case. */
  readonly upgrade: string | undefined
  readonly hasBody: boolean
  /** Reserved fields with lower-case names, flat, in order: name, value, name, value. */
  readonly reserved: readonly string[]
  /** The other end-to-end fields, flat, in order. */
  readonly fields: readonly string[]
  /** All fields as they arrived, flat, in order: for probes, which look for what was renamed. */
  readonly raw: readonly string[]
  /** The client certificate of the connection. */
  certificate(): ClientCertificate | undefined
  /**
   * The whole body, where it is at most `sizeMax` bytes; `undefined` where it is longer or does not
   * arrive. What was read is still forwarded.
   */
  body(sizeMax: number): Promise<Buffer | undefined>
}

/** What the front ends know of a request before it is read. */
export interface ArrivedRequest {
  readonly method: string
  readonly target: string
  readonly rawFields: readonly string[]
  readonly version: '1.0' | '1.1' | '2'
  /** `:authority` of HTTP/2. */
  readonly authority?: string | undefined
  /** HTTP/2 knows it from the frames; HTTP/1.1 from the fields. */
  readonly hasBody?: boolean | undefined
  readonly scheme: 'http' | 'https'
  readonly peer: string | undefined
  readonly listener: ListenerOptions
}

/** What is the same for all requests of a relay. */
export interface ReadingRules {
  readonly scanner: FieldScanner
  readonly trusted: TrustedPeers
  readonly exactPaths: boolean
  readonly fieldsMax: number
  readonly bodyBytesMax: number
  readonly passesMax: number
}

/** A refused request: the problem, and a detail out of a closed set. */
export interface HeadRefusal {
  readonly refused: RelayProblem
  readonly detail?: string
}

/** What a head needs of its connection; set before a guard sees it. */
export interface HeadHooks {
  certificate(): ClientCertificate | undefined
  readBody(sizeMax: number): Promise<Buffer | undefined>
}

/** What {@link readHead} found. */
export class ReadHead implements RequestHead {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly host: string
  readonly port: number | undefined
  readonly path: string
  readonly query: string
  readonly scheme: 'http' | 'https'
  readonly version: '1.0' | '1.1' | '2'
  readonly client: string
  readonly peer: string
  readonly listener: ListenerOptions
  readonly hasBody: boolean
  readonly contentLength: number | undefined
  /** Path and query byte for byte, as the upstream gets them. */
  readonly forward: string
  readonly scan: FieldScan
  readonly raw: readonly string[]
  hooks: HeadHooks | undefined

  constructor(arrived: ArrivedRequest, scan: FieldScan, parts: HeadParts) {
    this.method = arrived.method
    this.target = arrived.target
    this.authority = parts.authority.text
    this.host = parts.authority.host
    this.port = parts.authority.port
    this.path = parts.target.path
    this.query = parts.target.query
    this.scheme = schemeOf(arrived, scan)
    this.version = arrived.version
    this.client = parts.client
    this.peer = parts.peer
    this.listener = arrived.listener
    this.contentLength = scan.contentLength === undefined ? undefined : Number(scan.contentLength)
    this.hasBody = arrived.hasBody ?? (scan.transferEncoding !== undefined || (this.contentLength ?? 0) > 0)
    this.forward = parts.target.forward
    this.scan = scan
    this.raw = arrived.rawFields
    this.hooks = undefined
  }

  get upgrade(): string | undefined {
    return this.scan.upgrade?.toLowerCase()
  }

  get reserved(): readonly string[] {
    return this.scan.reserved
  }

  get fields(): readonly string[] {
    return this.scan.forward
  }

  get expectsContinue(): boolean {
    return this.scan.expect !== undefined
  }

  certificate(): ClientCertificate | undefined {
    return this.hooks?.certificate()
  }

  body(sizeMax: number): Promise<Buffer | undefined> {
    return this.hooks?.readBody(sizeMax) ?? Promise.resolve(undefined)
  }
}

// Behind a trusted proxy that ends TLS, the client's side of it is what counts.
function schemeOf(arrived: ArrivedRequest, scan: FieldScan): 'http' | 'https' {
  const said = scan.forwardedProto?.toLowerCase()
  return said === 'http' || said === 'https' ? said : arrived.scheme
}

interface HeadParts {
  readonly target: RequestTarget
  readonly authority: NamedAuthority
  readonly peer: string
  readonly client: string
}

interface NamedAuthority extends Authority {
  readonly text: string
}

/** Reads a request head and refuses what has no reading, or two. */
export function readHead(arrived: ArrivedRequest, rules: ReadingRules): ReadHead | HeadRefusal {
  if (arrived.rawFields.length > rules.fieldsMax * 2)
    return { refused: 'fields_too_large', detail: 'too many fields' }
  const peer = plainAddress(arrived.peer)
  const scan = rules.scanner.scan(arrived.rawFields, rules.trusted.includes(peer))
  const refusal = refuseMethod(arrived.method) ?? refuseFields(scan, arrived, rules)
  if (refusal !== undefined) return refusal
  const target = readTarget(arrived.target, rules.exactPaths)
  if ('refused' in target) return target
  const authority = readHost(scan, arrived.authority, target.authority)
  if ('refused' in authority) return authority
  const client = clientAddress(peer, scan.forwardedFor, rules.trusted)
  return new ReadHead(arrived, scan, { target, authority, peer, client })
}

// CONNECT would make a tunnel to anywhere; TRACE would read the caller's own secrets back to a script.
function refuseMethod(method: string): HeadRefusal | undefined {
  return method === 'CONNECT' || method === 'TRACE' ? { refused: 'method_refused' } : undefined
}

function refuseFields(
  scan: FieldScan,
  arrived: ArrivedRequest,
  rules: ReadingRules,
): HeadRefusal | undefined {
  if (scan.methodOverride)
    return { refused: 'method_override', detail: 'the method is the one in the request line' }
  if (scan.passes >= rules.passesMax) return { refused: 'loop' }
  if (scan.expect !== undefined && scan.expect.toLowerCase() !== '100-continue')
    return { refused: 'expectation_failed' }
  return refuseFraming(scan, arrived.version) ?? refuseLength(scan, rules.bodyBytesMax)
}

// The parser refuses most of this already (RFC 9112, section 6.3); here it can't come back by an option of the runtime.
function refuseFraming(scan: FieldScan, version: string): HeadRefusal | undefined {
  if (scan.contentLengths > 1) return { refused: 'framing_ambiguous', detail: 'two content lengths' }
  if (scan.contentLength !== undefined && !/^[0-9]{1,15}$/.test(scan.contentLength)) {
    return { refused: 'framing_ambiguous', detail: 'a content length that is not a number' }
  }
  const coding = scan.transferEncoding
  if (coding === undefined) return undefined
  if (scan.contentLength !== undefined)
    return { refused: 'framing_ambiguous', detail: 'a content length and a transfer coding' }
  if (version !== '1.1') return { refused: 'framing_ambiguous', detail: 'a transfer coding outside HTTP/1.1' }
  if (coding.toLowerCase() !== 'chunked') return { refused: 'coding_unknown' }
  return undefined
}

function refuseLength(scan: FieldScan, bodyBytesMax: number): HeadRefusal | undefined {
  return Number(scan.contentLength ?? 0) > bodyBytesMax ? { refused: 'body_too_large' } : undefined
}

function readHost(
  scan: FieldScan,
  pseudo: string | undefined,
  absolute: string | undefined,
): NamedAuthority | HeadRefusal {
  if (scan.hosts > 1) return { refused: 'host_malformed', detail: 'two hosts' }
  const text = absolute ?? pseudo ?? scan.host
  if (text === undefined) return { refused: 'host_malformed', detail: 'no host' }
  // Of two that differ, an upstream may take the other one.
  for (const other of [pseudo, scan.host]) {
    if (other !== undefined && other !== text) return { refused: 'host_malformed', detail: 'two hosts' }
  }
  const authority = readAuthority(text)
  return authority === undefined ? { refused: 'host_malformed' } : { ...authority, text }
}
