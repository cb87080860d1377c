import type { Server as HttpServer } from 'node:http'
import { type Server, type Socket, createServer as createTcpServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { EnforceError } from '../enforce-errors.ts'
import { openHttp1Front } from './front-http1.ts'
import { type Http2Front, openHttp2Front } from './front-http2.ts'
import type { RelayCore } from './relay-core.ts'
import type { ListenerOptions, ListenerTls } from './relay-options.ts'

/** Where a listener is reached. */
export interface BoundAddress {
  readonly name: string
  /** 0 for a Unix socket. */
  readonly port: number
  readonly host: string
  readonly secure: boolean
}

/** A listening front. */
export interface Listener {
  readonly address: BoundAddress
  /** Accepts nothing more and closes idle connections; resolves when the last connection is closed. */
  close(): Promise<void>
  /** Cuts all connections that are left. */
  destroy(): void
}

/**
 * Listens.
 *
 * @throws {EnforceError} `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openListener(core: RelayCore, options: ListenerOptions): Promise<Listener> {
  const http1 = openHttp1Front(core, options)
  const http2 = (options.http2 ?? options.tls !== undefined) ? openHttp2Front(core, options) : undefined
  const server = openServer(options, http1, http2)
  server.maxConnections = core.limits.connectionsMax
  const sockets = new Set<Socket>()
  const connections = core.load.counter('connections')
  server.on('connection', (socket: Socket) => {
    // The runtime's own limit is this thread's; together they may not be more either.
    if (!connections.enter(core.limits.connectionsMax)) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.on('close', () => {
      connections.leave()
      sockets.delete(socket)
    })
  })
  await listenOn(server, options)
  return {
    address: boundAddress(server, options),
    close: () => close({ server, http1, http2 }),
    destroy: () => {
      for (const socket of sockets) socket.destroySoon()
      // Who does not take the last bytes now will not take them.
      setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, flushMs)
    },
  }
}

// Plain HTTP/1.1 listens itself: nothing stands between it and the connection.
function openServer(options: ListenerOptions, http1: HttpServer, http2: Http2Front | undefined): Server {
  if (options.tls === undefined && http2 === undefined) return http1
  const take = (socket: Socket): void => {
    http1.emit('connection', socket)
  }
  // The HTTP server watches how long heads take from the moment it listens; here another one listens for it.
  http1.emit('listening')
  if (options.tls === undefined) return openSniffer(http1, http2 as Http2Front)
  const protocols = http2 === undefined ? ['http/1.1'] : ['h2', 'http/1.1']
  const server = createTlsServer({ ...tlsOptions(options.tls), ALPNProtocols: protocols }, (socket) => {
    if (socket.alpnProtocol === 'h2' && http2 !== undefined) http2.take(socket)
    else take(socket)
  })
  server.on('tlsClientError', (_, socket) => {
    socket.destroy()
  })
  return server
}

/** TLS of a listener, in the runtime's terms. */
export function tlsOptions(tls: ListenerTls): Parameters<typeof createTlsServer>[0] {
  const asked = tls.clientCertificate ?? 'off'
  return {
    key: tls.key,
    cert: tls.cert,
    ...(tls.ca !== undefined && { ca: tls.ca }),
    minVersion: tls.minVersion ?? 'TLSv1.3',
    // Two tiers: a client that can do the hybrid but guessed another share is asked again; older clients fall back.
    ecdhCurve: tls.keyExchange === 'required' ? 'X25519MLKEM768' : 'X25519MLKEM768/X25519:P-256',
    requestCert: asked !== 'off',
    rejectUnauthorized: asked === 'require',
    handshakeTimeout: 10_000,
    allowHalfOpen: true,
  }
}

/** For bytes that were written but not yet taken, when a connection is cut at the end of a stop. */
const flushMs = 200

const preface = 'PRI * HTTP/2.0'

// HTTP/2 with prior knowledge (RFC 9113, section 3.3): the first bytes say what it is.
function openSniffer(http1: HttpServer, http2: Http2Front): Server {
  return createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const onError = (): void => {
      socket.destroy()
    }
    socket.on('error', onError)
    socket.setTimeout(10_000, onError)
    socket.once('readable', () => {
      const bytes = socket.read() as Buffer | null
      socket.setTimeout(0)
      socket.off('timeout', onError)
      socket.off('error', onError)
      if (bytes === null) {
        socket.destroy()
        return
      }
      socket.unshift(bytes)
      const begins = bytes.toString('latin1', 0, preface.length)
      if (begins.length > 3 && preface.startsWith(begins)) http2.take(socket)
      else http1.emit('connection', socket)
    })
  })
}

/**
 * Has a server listen where the options say.
 *
 * @throws {EnforceError} `QIP_ENFORCE_LISTEN_FAILED`
 */
export function listenOn(server: Server, options: ListenerOptions): Promise<void> {
  const { path, reusePort = false } = options
  const host = options.host ?? '127.0.0.1'
  const port = options.port ?? 0
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const address = path ?? `${host}:${port}`
      reject(
        new EnforceError(
          'QIP_ENFORCE_LISTEN_FAILED',
          { address, reason: cause.code ?? 'unknown' },
          { cause },
        ),
      )
    })
    const backlog = 1_024
    server.listen(path === undefined ? { host, port, reusePort, backlog } : { path, backlog }, () => {
      server.removeAllListeners('error')
      // Accepting can fail later, for want of descriptors: the connection is lost, the listener is not.
      server.on('error', () => {})
      resolve()
    })
  })
}

/** Where a server that listens is reached. */
export function boundAddress(server: Server, options: ListenerOptions): BoundAddress {
  const bound = server.address()
  const secure = options.tls !== undefined
  if (bound === null || typeof bound === 'string') {
    return { name: options.name ?? options.path ?? '', port: 0, host: options.path ?? '', secure }
  }
  return {
    name: options.name ?? `${bound.address}:${bound.port}`,
    port: bound.port,
    host: bound.address,
    secure,
  }
}

async function close(parts: {
  server: Server
  http1: HttpServer
  http2: Http2Front | undefined
}): Promise<void> {
  const { server, http1, http2 } = parts
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  http2?.goAway()
  if (server !== http1) {
    http1.closeIdleConnections()
    // Ends the watch over heads; it was never listening, so it has nothing to say.
    http1.close(() => {})
  }
  await closed
}
