import {
  Agent as HttpAgent,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream'
import { base64url, systemRandom } from '@quantum-ip/base'
import { problemHeaders, problemOf, type Relay, tlsGroupOf } from '@quantum-ip/http'
import { AuthorityError } from '../authority-errors.ts'

/** How requests reach the leader. */
export interface RelayOptions {
  /** Where it is; empty while nobody leads. */
  readonly leaderUrl: () => string
  /** The Unix socket of the leading part, if this instance leads: who came by a socket goes on by one. */
  readonly leaderSocket: () => string | undefined
  /** What every instance answers by itself. */
  readonly isOwn: (path: string) => boolean
  /** PEM certificates of instances; absent: those of the system. */
  readonly ca?: string
}

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const relayTimeoutMs = 30_000

/**
 * Passes on what only the leader does, with the caller's own credentials: it lets nobody in whom the leader would not.
 *
 * Credentials are taken where they would be here: over TLS, on the loopback, or by the Unix socket.
 */
export function createRelay(options: RelayOptions): Relay & { close(): void } {
  const agents = {
    http: new HttpAgent({ keepAlive: true }),
    https: new HttpsAgent({ keepAlive: true, ...(options.ca !== undefined && { ca: options.ca }) }),
  }
  const relay: Relay = (request, response, { unixSocket }) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    if (options.isOwn(path)) return false
    // Where it came unprotected, this server says why it is refused.
    if (!unixSocket && !isProtected(request, path)) return false
    const socketPath = unixSocket ? options.leaderSocket() : undefined
    const url = options.leaderUrl()
    if (url === '') refuse(response)
    else send({ request, response, socketPath, url, agents })
    return true
  }
  return Object.assign(relay, {
    close() {
      agents.http.destroy()
      agents.https.destroy()
    },
  })
}

/** The leader sees this instance's connection, not the caller's: what it demands of a connection is demanded here. */
function isProtected(request: IncomingMessage, path: string): boolean {
  const address = request.socket.remoteAddress ?? ''
  if (address === '::1' || /^(?:::ffff:)?127\./.test(address)) return true
  const group = tlsGroupOf(request.socket)
  return path.startsWith('/v1/workloads') ? group === 'X25519MLKEM768' : group !== undefined
}

interface Relayed {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly socketPath: string | undefined
  readonly url: string
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent }
}

function send({ request, response, socketPath, url, agents }: Relayed): void {
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !hopByHop.has(name)))
  const at = new URL(url)
  const isTls = at.protocol === 'https:' && socketPath === undefined
  const target =
    socketPath === undefined
      ? {
          host: at.hostname.replace(/^\[(.*)\]$/, '$1'),
          port: at.port,
          agent: isTls ? agents.https : agents.http,
        }
      : { socketPath }
  const sent = (isTls ? httpsRequest : httpRequest)({
    ...target,
    method: request.method,
    path: request.url,
    headers,
    timeout: relayTimeoutMs,
  })
  sent.on('response', (answer) => {
    const kept = Object.entries(answer.headers).filter(([name]) => !hopByHop.has(name))
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept))
    pipeline(answer, response, () => undefined)
  })
  sent.on('timeout', () => sent.destroy())
  // It fell silent: the next leader answers in a moment.
  sent.on('error', () => refuse(response))
  response.on('close', () => sent.destroy())
  pipeline(request, sent, () => undefined)
}

function refuse(response: ServerResponse): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const error = new AuthorityError('QIP_AUTHORITY_NO_LEADER', { what: 'the request is for the leader' })
  const requestId = base64url(systemRandom.bytes(12))
  response.writeHead(503, { ...problemHeaders(error), 'retry-after': '1' })
  response.end(JSON.stringify(problemOf(error, { requestId, status: 503 })))
}
