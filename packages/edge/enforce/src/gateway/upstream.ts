import type { Buffer } from 'node:buffer'
import { isIP } from 'node:net'
import type { SharedLoad } from '@quantum-ip/point'
import { type Dispatcher, Pool, buildConnector } from 'undici'
import { EnforceError } from '../enforce-errors.ts'

/** TLS towards an upstream. PEM texts. */
export interface UpstreamTls {
  /** Whose certificates are accepted. Default: the runtime's list. */
  readonly ca?: string | Buffer
  /** The client certificate for mutual TLS, and its key. */
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** The name that the certificate must have. Default: the host of the address. */
  readonly serverName?: string
}

/** One service behind the gateway. */
export interface UpstreamOptions {
  /** `http://host:port`, `https://host:port` or `unix:/path`. */
  readonly url: string
  /** Speak HTTP/2, as gRPC needs: by ALPN with TLS, with prior knowledge without. Request trailers can't be sent. Default false. */
  readonly http2?: boolean
  readonly tls?: UpstreamTls
  /** Requests in flight to it, and HTTP/1.1 connections. Default 1,024. */
  readonly requestsMax?: number
  /** Which `Host` it sees: that of the request (default) or its own. */
  readonly host?: 'request' | 'upstream'
}

/** An upstream with its connections. */
export interface Upstream {
  /** The address, as configured. */
  readonly name: string
  readonly http2: boolean
  readonly keepsHost: boolean
  readonly requestsMax: number
  /** Name for TLS, or `undefined` without TLS. */
  readonly serverName: string | undefined
  readonly dispatcher: Dispatcher
  /** What `http.request` needs for a tunnel. */
  readonly connect: UpstreamAddress
  /** Requests in flight, of all threads of this process. */
  readonly inFlight: number
  /** Counts another request in flight; `false` where it takes no more. */
  enter(): boolean
  /** Once for each request that entered. */
  leave(): void
  /** Closes the connections: waits for requests in flight, or cuts them. */
  close(how: 'graceful' | 'now'): Promise<void>
}

/** Where an upstream is. */
export interface UpstreamAddress {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  readonly socketPath: string | undefined
  readonly authority: string
  readonly tls: UpstreamTls
}

/** The time-outs and limits of the relay that apply to upstream connections. */
export interface UpstreamBounds {
  readonly connectMs: number
  readonly responseMs: number
  readonly upstreamIdleMs: number
  readonly responseHeadBytesMax: number
  readonly load: SharedLoad
}

/**
 * Opens an upstream. Nothing connects before the first request.
 *
 * @throws {EnforceError} `QIP_ENFORCE_UPSTREAM_INVALID` for an address that is not one, or has a path, user or query.
 */
export function openUpstream(options: UpstreamOptions, bounds: UpstreamBounds): Upstream {
  const connect = parseUpstreamAddress(options.url, options.tls ?? {})
  const pool = openPool(connect, options, bounds)
  const requestsMax = options.requestsMax ?? 1_024
  const inFlight = bounds.load.counter(`upstream ${connect.socketPath ?? connect.authority}`)
  return {
    name: options.url,
    http2: options.http2 ?? false,
    keepsHost: options.host !== 'upstream',
    requestsMax,
    serverName: connect.secure ? serverNameOf(connect) : undefined,
    dispatcher: pool,
    connect,
    get inFlight() {
      return inFlight.value
    },
    enter: () => inFlight.enter(requestsMax),
    leave: () => inFlight.leave(),
    close: (how) => (how === 'now' ? pool.destroy() : pool.close()),
  }
}

function openPool(connect: UpstreamAddress, options: UpstreamOptions, bounds: UpstreamBounds): Pool {
  const http2 = options.http2 ?? false
  return new Pool(`${connect.secure ? 'https' : 'http'}://${connect.authority}`, {
    // Requests in flight are bounded before they come here, so that none waits in a queue that no time-out watches.
    connections: null,
    pipelining: 1,
    allowH2: http2,
    ...(http2 && !connect.secure && { h2Options: { useH2c: true } }),
    headersTimeout: bounds.responseMs,
    bodyTimeout: bounds.upstreamIdleMs,
    maxHeaderSize: bounds.responseHeadBytesMax,
    connect: openConnector(connect, http2, bounds),
  })
}

function openConnector(
  connect: UpstreamAddress,
  http2: boolean,
  bounds: UpstreamBounds,
): buildConnector.connector {
  const { ca, cert, key } = connect.tls
  const connector = buildConnector({
    timeout: bounds.connectMs,
    allowH2: http2 && connect.secure,
    preferH2: http2,
    ...(http2 && !connect.secure && { useH2c: true }),
    ...(connect.socketPath !== undefined && { socketPath: connect.socketPath }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  })
  // The name is the upstream's whatever `Host` a request has, and an IP address is no name (RFC 6066, section 3).
  const servername = isIP(serverNameOf(connect)) === 0 ? serverNameOf(connect) : ''
  return (options, callback) => {
    connector({ ...options, servername }, callback)
  }
}

function serverNameOf(connect: UpstreamAddress): string {
  return connect.tls.serverName ?? connect.host
}

/**
 * Parses the address of an upstream.
 *
 * @throws {EnforceError} `QIP_ENFORCE_UPSTREAM_INVALID`
 */
export function parseUpstreamAddress(text: string, tls: UpstreamTls): UpstreamAddress {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length).replace(/^\/\//, '')
    if (!socketPath.startsWith('/')) throw invalid(text, 'a Unix socket is named by an absolute path')
    return { secure: false, host: 'localhost', port: 80, socketPath, authority: 'localhost', tls }
  }
  const url = URL.parse(text)
  if (url === null) throw invalid(text, 'not a URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalid(text, 'neither `http:`, `https:` nor `unix:`')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw invalid(text, 'it has a path, a query or a fragment')
  if (url.username !== '' || url.password !== '') throw invalid(text, 'it has a user')
  const secure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return { secure, host, port, socketPath: undefined, authority: url.host, tls }
}

function invalid(upstream: string, reason: string): EnforceError {
  // A user and password never reach an error.
  return new EnforceError('QIP_ENFORCE_UPSTREAM_INVALID', {
    upstream: upstream.replace(/\/\/[^@/]*@/, '//'),
    reason,
  })
}
