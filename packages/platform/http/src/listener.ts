import { createServer, type RequestListener, type Server as HttpServer, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, Server as HttpsServer } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import type { AddressInfo, Socket } from 'node:net'
import { HttpError } from './http-errors.ts'
import { systemCode } from './lib/file-reason.ts'
import { groupList, type KeyExchange, type TlsGroupObserver, watchTlsGroups } from './tls/group.ts'
import type { TlsIdentity } from './tls/tls-files.ts'
import { listenOnUnixSocket, removeUnixSocket } from './unix-socket.ts'

/** TLS 1.3 on a listener. */
export interface ListenerTls extends TlsIdentity {
  readonly keyExchange: KeyExchange
}

/** A TCP port. */
export interface TcpListener {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly tls?: ListenerTls
  /** Several threads or processes share the port (Linux and BSD). */
  readonly reusePort?: boolean
}

/** A Unix socket; whoever may open it is the local admin. */
export interface UnixListener {
  readonly path: string
  /** Absent: 0600. */
  readonly mode?: number
  /** Number of the group that the socket belongs to. Absent: that of the process, or of a directory that hands its own on. */
  readonly group?: number
}

/** Where to listen. */
export type Listener = TcpListener | UnixListener

/** Limits of connections. */
export interface ConnectionLimits {
  readonly headerBytesMax: number
  /** Header and body must have arrived by then. */
  readonly requestTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly connectionsMax: number
}

/** A listener that listens. */
export interface Bound {
  readonly listener: Listener
  /** `http://127.0.0.1:8080`, `https://…`, or `unix:/path`. */
  readonly url: string
  /** 0 for a Unix socket. */
  readonly port: number
  /** Takes no new connection, and closes the idle ones. */
  stopAccepting(): Promise<void>
  /** Closes the connections that are idle now. */
  closeIdle(): void
  /** Cuts every connection; how many there were. */
  closeAll(): number
  /** Takes another certificate for the handshakes from now on; connections stay. */
  renewTls(identity: TlsIdentity): void
}

/** What {@link bind} takes. */
export interface BindOptions {
  readonly listener: Listener
  readonly handler: RequestListener
  readonly limits: ConnectionLimits
  readonly observer: TlsGroupObserver
  readonly onClientError: (error: Error, socket: Socket) => void
  /** Such as no file descriptor left for a new connection. */
  readonly onListenerError: (error: Error) => void
}

/**
 * Listens.
 *
 * @throws {HttpError} `QIP_HTTP_ADDRESS_IN_USE`, `QIP_HTTP_ADDRESS_UNAVAILABLE`, `QIP_HTTP_ADDRESS_FORBIDDEN`,
 * `QIP_HTTP_SOCKET_IN_USE`, `QIP_HTTP_SOCKET_UNUSABLE` or `QIP_HTTP_CERTIFICATE_INVALID`.
 */
export async function bind(options: BindOptions): Promise<Bound> {
  const { listener, limits } = options
  const server = newServer(options)
  server.maxConnections = limits.connectionsMax
  // Node drops headers above its own count in silence; the guard counts and refuses them.
  server.maxHeadersCount = 0
  server.on('clientError', options.onClientError)
  const sockets = trackSockets(server)
  const opened = { listener, server, sockets }
  if ('path' in listener) {
    const { path, mode = 0o600, group } = listener
    await listenOnUnixSocket(server, path, { mode, group })
    server.on('error', options.onListenerError)
    return bound({ ...opened, url: `unix:${listener.path}`, port: 0 })
  }
  await listenOnTcp(server, listener)
  server.on('error', options.onListenerError)
  const { port } = server.address() as AddressInfo
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host
  return bound({ ...opened, url: `${listener.tls ? 'https' : 'http'}://${host}:${port}`, port })
}

function newServer(options: BindOptions): HttpServer | HttpsServer {
  const { listener, handler, limits, observer } = options
  const http: ServerOptions = {
    maxHeaderSize: limits.headerBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.headersTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeoutMs / 2)),
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  }
  const tls = 'path' in listener ? undefined : listener.tls
  if (tls === undefined) return createServer(http, handler)
  try {
    const server = createTlsServer(
      {
        ...http,
        ...secureContext(tls),
        handshakeTimeout: limits.headersTimeoutMs,
        ALPNProtocols: ['http/1.1'],
      },
      handler,
    )
    watchTlsGroups(server, {
      ...observer,
      keyExchange: tls.keyExchange,
      helloTimeoutMs: limits.headersTimeoutMs,
    })
    return server
  } catch (cause) {
    const reason = 'OpenSSL refuses it or its key'
    throw new HttpError('QIP_HTTP_CERTIFICATE_INVALID', { path: 'of this listener', reason }, { cause })
  }
}

function secureContext({ certificate, key, keyExchange }: ListenerTls): SecureContextOptions {
  return { cert: certificate, key, minVersion: 'TLSv1.3', ecdhCurve: groupList(keyExchange) }
}

function trackSockets(server: HttpServer): Set<Socket> {
  const sockets = new Set<Socket>()
  server.prependListener('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

async function listenOnTcp(server: HttpServer, listener: TcpListener): Promise<void> {
  const { host, port, reusePort = false } = listener
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => reject(listenError(error, address))
    server.once('error', fail)
    server.listen({ host, port, reusePort, backlog: 1_024 }, () => {
      server.off('error', fail)
      resolve()
    })
  })
}

const listenCodes: Record<string, 'QIP_HTTP_ADDRESS_IN_USE' | 'QIP_HTTP_ADDRESS_FORBIDDEN'> = {
  EADDRINUSE: 'QIP_HTTP_ADDRESS_IN_USE',
  EACCES: 'QIP_HTTP_ADDRESS_FORBIDDEN',
  EPERM: 'QIP_HTTP_ADDRESS_FORBIDDEN',
}

function listenError(error: Error, address: string): Error {
  const code = listenCodes[systemCode(error) ?? ''] ?? 'QIP_HTTP_ADDRESS_UNAVAILABLE'
  return new HttpError(code, { address }, { cause: error })
}

interface Listening {
  readonly listener: Listener
  readonly server: HttpServer
  readonly sockets: Set<Socket>
  readonly url: string
  readonly port: number
}

function bound({ listener, server, sockets, url, port }: Listening): Bound {
  return {
    listener,
    url,
    port,
    stopAccepting: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      if ('path' in listener) await removeUnixSocket(listener.path)
      return await closed
    },
    closeIdle: () => {
      server.closeIdleConnections()
      // Node counts a connection that never sent a byte among the busy ones.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    },
    closeAll: () => {
      const open = sockets.size
      for (const socket of sockets) socket.destroy()
      return open
    },
    renewTls: (identity) => {
      if (!(server instanceof HttpsServer) || 'path' in listener || listener.tls === undefined) {
        throw new TypeError('this listener has no TLS')
      }
      server.setSecureContext(secureContext({ ...listener.tls, ...identity }))
    },
  }
}
