import type { Buffer } from 'node:buffer'
import { type Server as NetServer, type Socket, createServer as createTcpServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { type BoundAddress, boundAddress, listenOn, tlsOptions } from '../gateway/listener.ts'
import { plainAddress } from '../gateway/peers.ts'
import type { ListenerOptions, RelayLimits } from '../gateway/relay-options.ts'
import type { LoadCounter } from '@quantum-ip/point'
import type { CheckGuard } from './check-guard.ts'
import { type Health, healthService } from './health.ts'

/** The name of the service, for health checks. */
export const authorizationName = 'envoy.service.auth.v3.Authorization'

// Messages stay bytes here: what is malformed is answered by the guard, and not by an error that might open a filter.
const authorizationService = {
  check: {
    path: `/${authorizationName}/Check`,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const

function asIs(bytes: Buffer): Buffer {
  return bytes
}

/** What a server is opened with. */
export interface CheckServerParts {
  readonly listener: ListenerOptions
  readonly guard: CheckGuard
  readonly health: Health
  readonly limits: RelayLimits
  readonly messageBytesMax: number
  readonly connections: LoadCounter
}

/** One address on which questions are taken. */
export interface CheckServer {
  readonly address: BoundAddress
  /** Connections that are open. */
  readonly connections: number
  /** Accepts nothing more, tells those who are connected to go, and resolves when all calls are answered; after `stopMs` it cuts what is left. */
  close(stopMs: number): Promise<void>
}

/**
 * Listens for gRPC.
 *
 * Connections are handed to the library by a server of our own: several threads on one port (`SO_REUSEPORT`) are not among its options, nor are
 * our terms of TLS.
 *
 * @throws {EnforceError} `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openCheckServer(parts: CheckServerParts): Promise<CheckServer> {
  const { listener, guard, health, limits, messageBytesMax } = parts
  const server = new Server({
    'grpc.max_concurrent_streams': limits.streamsMax,
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.enable_channelz': 0,
  })
  server.addService(authorizationService, {
    check(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
      const answered = guard.judge(call.request, peerOf(call.getPeer()), listener)
      if (answered instanceof Promise) void answered.then((bytes) => answer(null, bytes))
      else answer(null, answered)
    },
  })
  server.addService(healthService, health.methods)
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const sockets = new Set<Socket>()
  const accepting = openAccepting(listener, (socket) => {
    injector.injectConnection(socket)
  })
  countConnections(accepting, sockets, parts)
  await listenOn(accepting, listener)
  return {
    address: boundAddress(accepting, listener),
    get connections() {
      return sockets.size
    },
    close: (stopMs) => close({ server, accepting, sockets }, stopMs),
  }
}

function openAccepting(listener: ListenerOptions, take: (socket: Socket) => void): NetServer {
  if (listener.tls === undefined) return createTcpServer({ noDelay: true }, take)
  const server = createTlsServer({ ...tlsOptions(listener.tls), ALPNProtocols: ['h2'] }, (socket) => {
    if (socket.alpnProtocol === 'h2') take(socket)
    else socket.destroy()
  })
  server.on('tlsClientError', (_, socket) => {
    socket.destroy()
  })
  return server
}

function countConnections(
  accepting: NetServer,
  sockets: Set<Socket>,
  { connections, limits }: CheckServerParts,
): void {
  accepting.maxConnections = limits.connectionsMax
  accepting.on('connection', (socket: Socket) => {
    socket.on('error', () => {
      socket.destroy()
    })
    if (!connections.enter(limits.connectionsMax)) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.on('close', () => {
      connections.leave()
      sockets.delete(socket)
    })
  })
}

// `address:port`, an address alone, or `unknown` for a Unix socket and one that is gone.
function peerOf(text: string): string {
  if (text === 'unknown') return ''
  const colon = text.lastIndexOf(':')
  return plainAddress(text.slice(0, colon))
}

async function close(
  {
    server,
    accepting,
    sockets,
  }: { readonly server: Server; readonly accepting: NetServer; readonly sockets: ReadonlySet<Socket> },
  stopMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    accepting.close(() => {
      resolve()
    })
  })
  const cut = setTimeout(() => {
    server.forceShutdown()
    for (const socket of sockets) socket.destroy()
  }, stopMs)
  await new Promise<void>((resolve) => {
    server.tryShutdown(() => {
      resolve()
    })
  })
  await closed
  clearTimeout(cut)
}
