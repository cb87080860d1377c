import {
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  constants,
  createServer,
} from 'node:http2'
import type { Socket } from 'node:net'
import { type ClientCertificate, peerAddress, peerCertificate } from '@quantum-ip/point'
import { type ClientSide, Exchange } from './exchange.ts'
import type { RelayCore } from './relay-core.ts'
import type { ListenerOptions } from './relay-options.ts'
import { type Reply, type ReplyListener, sendAnswer } from './reply.ts'
import { Http2Reply } from './reply-http2.ts'
import { type ArrivedRequest, readHead } from './request-head.ts'

/** The HTTP/2 front of a listener: handed connections that speak it. */
export interface Http2Front {
  take(socket: Socket): void
  /** Tells all clients to take new requests elsewhere; open streams go on. */
  goAway(): void
}

/** Opens the HTTP/2 front of a listener. */
export function openHttp2Front(core: RelayCore, listener: ListenerOptions): Http2Front {
  const { limits, timeouts } = core
  const sessions = new Set<ServerHttp2Session>()
  const server: Http2Server = createServer({
    settings: {
      maxConcurrentStreams: limits.streamsMax,
      maxHeaderListSize: limits.headBytesMax,
      // WebSocket over HTTP/2 (RFC 8441) is not offered: clients that want a tunnel use HTTP/1.1.
      enableConnectProtocol: false,
      enablePush: false,
      initialWindowSize: 262_144,
    },
    maxHeaderListPairs: limits.fieldsMax + pseudoFields,
    maxSessionInvalidFrames: 100,
    // Streams that are opened to be reset at once (CVE-2023-44487).
    streamResetBurst: 200,
    streamResetRate: 33,
  })
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => {
      sessions.delete(session)
    })
    session.on('error', () => {})
    session.setTimeout(timeouts.keepAliveMs, () => {
      session.close()
    })
  })
  server.on('sessionError', () => {})
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _: number, raw: string[]) => {
    begin(core, listener, { stream, headers, raw })
  })
  return {
    take: (socket) => {
      server.emit('connection', socket)
    },
    goAway: () => {
      for (const session of sessions) session.close()
    },
  }
}

/** `:method`, `:scheme`, `:authority`, `:path`. */
const pseudoFields = 4

interface Arrival {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  readonly raw: readonly string[]
}

function begin(core: RelayCore, listener: ListenerOptions, arrival: Arrival): void {
  const { stream } = arrival
  const socket = stream.session?.socket
  if (stream.destroyed || socket === undefined) return
  const arrived = arrivedOf(arrival, listener, socket)
  const head =
    core.inFlight.value >= core.limits.inFlightMax
      ? ({ refused: 'overloaded' } as const)
      : readHead(arrived, core.rules)
  const bodiless = arrived.method === 'HEAD'
  if ('refused' in head) {
    core.observer.problem?.(head.refused)
    const reply = new Http2Reply(stream, bodiless, { drained() {}, closed() {} })
    sendAnswer(reply, core.problem(head.refused, head.detail), {
      bodiless,
      close: false,
    })
    // What the client still sends is not wanted (RFC 9113, section 8.1).
    stream.on('finish', () => {
      stream.close(constants.NGHTTP2_NO_ERROR)
    })
    return
  }
  const exchange = new Exchange(core, head, { client: new Http2Client(stream, bodiless), body: stream })
  stream.setTimeout(core.timeouts.idleMs, () => {
    if (!exchange.idle()) stream.setTimeout(core.timeouts.idleMs)
  })
  exchange.begin()
}

class Http2Client implements ClientSide {
  readonly #stream: ServerHttp2Stream
  readonly #bodiless: boolean

  constructor(stream: ServerHttp2Stream, bodiless: boolean) {
    this.#stream = stream
    this.#bodiless = bodiless
  }

  // Its frames come one by one.
  received(): boolean {
    return false
  }

  certificate(): ClientCertificate | undefined {
    const socket = this.#stream.session?.socket
    return socket === undefined ? undefined : peerCertificate(socket)
  }

  reply(listener: ReplyListener): Reply {
    return new Http2Reply(this.#stream, this.#bodiless, listener)
  }

  cut(): void {
    this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }
}

function arrivedOf(
  { stream, headers, raw }: Arrival,
  listener: ListenerOptions,
  socket: Socket,
): ArrivedRequest {
  return {
    method: headers[':method'] ?? '',
    target: headers[':path'] ?? '',
    rawFields: raw,
    version: '2',
    authority: headers[':authority'],
    hasBody: !stream.endAfterHeaders,
    scheme: listener.tls === undefined ? 'http' : 'https',
    peer: peerAddress(socket),
    listener,
  }
}
