import type { Clock } from '@quantum-ip/base'
import type { CertificateTellers, SharedLoad } from '@quantum-ip/point'
import type { Answer, Guard } from './decision.ts'
import { EnforceError } from '../enforce-errors.ts'
import type { RelayProblem } from './problem.ts'
import type { RelayObserver } from './relay-observer.ts'

/** TLS of a listener. PEM texts; the caller reads the files. */
export interface ListenerTls {
  readonly key: string | Buffer
  readonly cert: string | Buffer
  /** Whose client certificates are accepted. */
  readonly ca?: string | Buffer
  /** Ask for a client certificate; `require` refuses connections without an accepted one. Default `off`. */
  readonly clientCertificate?: 'off' | 'optional' | 'require'
  /** Whether X25519MLKEM768 is taken where the client has it, or demanded. Default `preferred`. */
  readonly keyExchange?: 'preferred' | 'required'
  /** Default `TLSv1.3`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** One address that the relay listens on. */
export interface ListenerOptions {
  /** Shown in errors and events. Default: the address. */
  readonly name?: string
  /** Default `127.0.0.1`: to be reachable is asked for. */
  readonly host?: string
  /** 0 takes any free port. */
  readonly port?: number
  /** A Unix socket instead of host and port. */
  readonly path?: string
  readonly tls?: ListenerTls
  /** HTTP/2. Default: on with TLS, by ALPN; off without TLS, where `true` adds h2c with prior knowledge. */
  readonly http2?: boolean
  /** Several threads on one port (Linux and BSD). */
  readonly reusePort?: boolean
  /** Whether refusals on this listener say why. Default `public`: the reason only to callers that proved who they are. */
  readonly detail?: 'public' | 'internal'
  /**
   * Where the client's certificate is read, where proxies in front end TLS: in fields that only these peers may set, and that go no
   * further. Without it, it is the one of the connection.
   */
  readonly clientCertificates?: CertificateTellers
}

/** Milliseconds. 0 turns a time-out off. */
export interface RelayTimeouts {
  /** From the connection, or the first byte, to the end of the request head. Default 15 s. */
  readonly headMs: number
  /** A client that neither sends the body it announced nor takes the response. Default 60 s. */
  readonly idleMs: number
  /** A connection between two requests. Default 75 s. */
  readonly keepAliveMs: number
  /** Connecting to an upstream. Default 5 s. */
  readonly connectMs: number
  /** From the request to the head of the upstream's response. Default 60 s. */
  readonly responseMs: number
  /** Between two parts of the upstream's response body. Default 5 min. */
  readonly upstreamIdleMs: number
  /** A tunnel (WebSocket) on which nothing moves. Default 10 min. */
  readonly tunnelIdleMs: number
  /** From the start of a graceful stop until everything left is cut. Default 10 s. */
  readonly stopMs: number
  /** Between two looks for streams whose token has ended. Default 1 s. */
  readonly sweepMs: number
}

/** Sizes and counts past which requests are refused. */
export interface RelayLimits {
  /** Bytes of a request head. Default 32 KiB. */
  readonly headBytesMax: number
  /** Fields of a request head. Default 128. */
  readonly fieldsMax: number
  /** Bytes of a request body. Default 8 GiB. */
  readonly bodyBytesMax: number
  /** Bytes of a response head. Default 64 KiB. */
  readonly responseHeadBytesMax: number
  /** Requests in flight, tunnels included, over all threads of the process. Default 20,000. */
  readonly inFlightMax: number
  /** Connections of clients, over all threads of the process. Default 20,000. */
  readonly connectionsMax: number
  /** HTTP/2 streams per connection. Default 128. */
  readonly streamsMax: number
  /** Times that a request may come through this very gateway. Default 4. */
  readonly passesMax: number
}

/** What {@link openRelay} needs. */
export interface RelayOptions {
  /** Stands in `Via`, and is how a loop is noticed: one name per running gateway. Token characters. */
  readonly name: string
  readonly listeners: readonly ListenerOptions[]
  readonly guard: Guard
  /**
   * Lower-case names that belong to the guard: they are given to it in `reserved` and not forwarded.
   * Every other spelling of them (`_` or `.` for `-`) is dropped.
   */
  readonly reserved?: readonly string[]
  /**
   * Addresses or CIDR blocks of proxies in front whose `Forwarded` and `X-Forwarded-*` fields are
   * believed and kept. Default none: what clients send there is dropped.
   */
  readonly trustedProxies?: readonly string[]
  /** `refuse` (default) or `exact`: paths with more than one reading are forwarded byte for byte, as the guard saw them. */
  readonly ambiguousPaths?: 'refuse' | 'exact'
  /** Protocols that may be upgraded to. Default `websocket`. */
  readonly upgrades?: readonly string[]
  readonly timeouts?: Partial<RelayTimeouts>
  readonly limits?: Partial<RelayLimits>
  /** Where the threads of a process count together; the memory that all of them were given. Default: this relay alone. */
  readonly load?: SharedLoad
  readonly observer?: RelayObserver
  /** What the relay's own problems are answered with. Default `relayProblem`. */
  readonly problem?: (code: RelayProblem, detail?: string) => Answer
  readonly clock?: Clock
}

/** The time-outs that hold where none is given. */
export const relayTimeouts: RelayTimeouts = {
  headMs: 15_000,
  idleMs: 60_000,
  keepAliveMs: 75_000,
  connectMs: 5_000,
  responseMs: 60_000,
  upstreamIdleMs: 300_000,
  tunnelIdleMs: 600_000,
  stopMs: 10_000,
  sweepMs: 1_000,
}

/** The limits that hold where none is given. */
export const relayLimits: RelayLimits = {
  headBytesMax: 32_768,
  fieldsMax: 128,
  bodyBytesMax: 8_589_934_592,
  responseHeadBytesMax: 65_536,
  inFlightMax: 20_000,
  connectionsMax: 20_000,
  streamsMax: 128,
  passesMax: 4,
}

/**
 * `defaults` with `given` over them.
 *
 * @throws {EnforceError} `QIP_ENFORCE_OPTION_INVALID` for a value that is not a whole number from 0 up.
 */
export function parseNumbers<T extends { readonly [name in keyof T]: number }>(
  option: string,
  defaults: T,
  given: Partial<T> | undefined,
): T {
  const numbers = { ...defaults, ...given }
  for (const [name, value] of Object.entries<number>(numbers)) {
    if (Number.isSafeInteger(value) && value >= 0) continue
    const reason = `${String(value)} is not a whole number from 0 up`
    throw new EnforceError('QIP_ENFORCE_OPTION_INVALID', { option: `${option}.${name}`, reason })
  }
  return numbers
}
