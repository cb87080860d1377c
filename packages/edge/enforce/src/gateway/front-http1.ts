import { type IncomingMessage, type Server, ServerResponse, createServer } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type ClientCertificate, peerAddress, peerCertificate } from '@quantum-ip/point'
import { type ClientSide, Exchange } from './exchange.ts'
import type { RelayProblem } from './problem.ts'
import type { RelayCore } from './relay-core.ts'
import type { ListenerOptions } from './relay-options.ts'
import { type Reply, type ReplyListener, sendAnswer } from './reply.ts'
import { Http1Reply } from './reply-http1.ts'
import { type ArrivedRequest, readHead } from './request-head.ts'
import { openTunnel } from './tunnel.ts'

/** A response that knows its exchange, so that a time-out of the connection finds it. */
class ExchangeResponse extends ServerResponse {
  exchange: Exchange | undefined
}

/** The HTTP/1.1 front of a listener. It may listen itself, or be handed connections. */
export function openHttp1Front(core: RelayCore, listener: ListenerOptions): Server {
  const { timeouts, limits } = core
  const server = createServer({
    ServerResponse: ExchangeResponse,
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: timeouts.headMs,
    // Bodies may take as long as they move; `idleMs` watches that.
    requestTimeout: 0,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: Math.max(100, Math.min(5_000, Math.floor(timeouts.headMs / 4))),
    // `readHead` checks the host, and says what is wrong with it.
    requireHostHeader: false,
    insecureHTTPParser: false,
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: (request) => upgrades(core, request),
  })
  // One more than allowed: the runtime drops what is past its limit, and that must be noticed.
  server.maxHeadersCount = limits.fieldsMax + 1
  server.setTimeout(timeouts.idleMs)
  const accept = (request: IncomingMessage, response: ServerResponse): void => {
    begin(core, listener, { request, response: response as ExchangeResponse })
  }
  server.on('request', accept)
  server.on('checkContinue', accept)
  server.on('checkExpectation', accept)
  server.on('timeout', onIdle)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    refuseBytes(core, error, socket)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, early: Buffer) => {
    openTunnel(core, { request, socket, early, arrived: arrivedOf(request, listener) })
  })
  server.on('connect', (_: IncomingMessage, socket: Socket) => {
    core.observer.problem?.('method_refused')
    socket.end(rawAnswer(core, 'method_refused'))
  })
  return server
}

// An upgrade with a body has two readings of where the tunnel begins: it is an ordinary request here.
function upgrades(core: RelayCore, request: IncomingMessage): boolean {
  const { upgrade, 'content-length': length, 'transfer-encoding': coding } = request.headers
  if (request.method !== 'GET' || upgrade === undefined || coding !== undefined) return false
  return (length === undefined || length === '0') && core.upgrades.has(upgrade.toLowerCase())
}

function arrivedOf(request: IncomingMessage, listener: ListenerOptions): ArrivedRequest {
  const { socket } = request
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    rawFields: request.rawHeaders,
    version: request.httpVersionMinor === 0 ? '1.0' : '1.1',
    scheme: socket instanceof TLSSocket ? 'https' : 'http',
    peer: peerAddress(socket),
    listener,
  }
}

function begin(
  core: RelayCore,
  listener: ListenerOptions,
  parts: { request: IncomingMessage; response: ExchangeResponse },
): void {
  const { request, response } = parts
  const arrived = arrivedOf(request, listener)
  const head =
    core.inFlight.value >= core.limits.inFlightMax
      ? ({ refused: 'overloaded' } as const)
      : readHead(arrived, core.rules)
  if ('refused' in head) {
    core.observer.problem?.(head.refused)
    const reply = new Http1Reply(response, { drained() {}, closed() {} })
    sendAnswer(reply, core.problem(head.refused, head.detail), {
      bodiless: request.method === 'HEAD',
      close: true,
    })
    return
  }
  response.exchange = new Exchange(core, head, { client: new Http1Client(response), body: request })
  response.exchange.begin()
}

class Http1Client implements ClientSide {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  received(): boolean {
    return this.#response.req.complete
  }

  certificate(): ClientCertificate | undefined {
    return peerCertificate(this.#response.req.socket)
  }

  reply(listener: ReplyListener): Reply {
    return new Http1Reply(this.#response, listener)
  }

  cut(): void {
    this.#response.req.socket.destroy()
  }
}

function onIdle(socket: Socket): void {
  const { exchange } = currentResponse(socket) ?? {}
  if (exchange === undefined) {
    socket.destroy()
    return
  }
  // Waiting for the upstream, which has time-outs of its own: look again later.
  if (!exchange.idle()) socket.setTimeout(socket.timeout ?? 0)
}

// `_httpMessage` is how the runtime itself finds the response that a connection is busy with.
function currentResponse(socket: Socket): ExchangeResponse | undefined {
  return (socket as { _httpMessage?: ExchangeResponse | null })._httpMessage ?? undefined
}

// What is not HTTP has no request and no response to answer with.
function refuseBytes(core: RelayCore, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code = byteProblems[error.code ?? ''] ?? 'request_malformed'
  const response = currentResponse(socket)
  if (response === undefined) {
    core.observer.problem?.(code)
    socket.end(rawAnswer(core, code))
  } else if (response.exchange?.malformed(code) === true) return
  // In the middle of a response an answer would become a part of it.
  socket.destroySoon()
}

const byteProblems: Readonly<Record<string, RelayProblem>> = {
  HPE_HEADER_OVERFLOW: 'fields_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_INVALID_TRANSFER_ENCODING: 'framing_ambiguous',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'framing_ambiguous',
  HPE_INVALID_CONTENT_LENGTH: 'framing_ambiguous',
}

function rawAnswer(core: RelayCore, code: RelayProblem): string {
  const { status, fields, body } = core.problem(code)
  const lines = [
    `HTTP/1.1 ${status} ${reasonOf(code)}`,
    'connection: close',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i] ?? ''}: ${fields[i + 1] ?? ''}`)
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function reasonOf(code: RelayProblem): string {
  return code.replaceAll('_', ' ')
}
