import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { base64url, hex, type Json, u32be, utf8 } from '@quantum-ip/base'
import { parseKemJwk, sealField } from '@quantum-ip/crypto'
import { buildHead, buildRevocation } from '@quantum-ip/trust'
import { matchesSession, parseSessionProof } from '../../src/index.ts'
import type { Published, RecordedDomain } from './domain.ts'
import { issueTokens, type TokenBody } from './issue.ts'

type Answer = {
  readonly status?: number
  readonly json?: unknown
  readonly raw?: string
  readonly bytes?: Uint8Array
  readonly type?: string
}
type Handler = (request: Received) => Answer | Promise<Answer>

/** A request as it arrived. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The session that proved to have sent it. */
  readonly session: TestSession | undefined
}

/** A session that the test authority knows. */
export interface TestSession {
  readonly id: string
  readonly key: Uint8Array
  readonly sid: string
  readonly role: 'workload' | 'verifier'
}

/** How the test authority listens. */
export interface ListenOptions {
  readonly port?: number
  readonly socketPath?: string
  readonly tls?: { readonly key: string; readonly cert: string; readonly groups?: string }
}

const problem = (status: number, code: string, detail: string, more: object = {}): Answer => ({
  status,
  type: 'application/problem+json',
  json: { type: `urn:quantum-ip:error:${code}`, title: 'Error', status, detail, code, ...more },
})

/**
 * The routes of an authority over a trust domain in memory, with Node's own server: for the tests of the client, until the
 * real one is there. What it signs, logs and proves is real; its admission lets everybody in.
 */
export class TestAuthority {
  readonly domain: RecordedDomain
  readonly received: Received[] = []
  /** What acknowledgements are answered with. */
  probe: { readonly id: string; readonly token: string; readonly audience: string } | undefined
  readonly sessions = new Map<string, TestSession>()
  /** Root documents by sequence; the newest is the one that is served without a sequence. */
  readonly roots = new Map<number, string>()
  /** Stands in for the newest bundle of the domain. */
  bundle: string | undefined
  /** What is answered instead, by path, as often as there are answers. */
  readonly faults = new Map<string, (Answer | 'hang' | 'drop')[]>()
  /** Handlers that come before those of this class. */
  readonly routes = new Map<string, Handler>()
  /** Answers paths that no route is for. */
  fallback: Handler | undefined
  /** Events kept for those who resume, by sequence. Emptied by {@link restart}. */
  #ring: Published[] = []
  readonly #feeds = new Set<ServerResponse>()
  #server: Server | undefined
  #listening: ListenOptions = {}
  /** What the feed sends when the ring does not hold what was asked for: what the design says, or what a broadcaster may. */
  resetEvent = 'reset'
  /** Leaves states out of the feed while it is set. */
  isFeedMuted = false

  constructor(domain: RecordedDomain) {
    this.domain = domain
    domain.published.roots.forEach((root, index) => this.roots.set(index + 1, root))
    domain.onPublish((step) => this.#publish(step))
  }

  get feeds(): number {
    return this.#feeds.size
  }

  async listen(options: ListenOptions = {}): Promise<string> {
    const { tls, socketPath } = options
    const listener = (request: IncomingMessage, response: ServerResponse) =>
      void this.#handle(request, response)
    const server =
      tls === undefined
        ? createServer(listener)
        : createTlsServer(
            { key: tls.key, cert: tls.cert, minVersion: 'TLSv1.3', ecdhCurve: tls.groups ?? 'auto' },
            listener,
          )
    server.listen(socketPath ?? { port: options.port ?? 0, host: '127.0.0.1' })
    await once(server, 'listening')
    this.#server = server
    this.#listening = options
    return this.url
  }

  get url(): string {
    const { socketPath, tls } = this.#listening
    if (socketPath !== undefined) return `unix:${socketPath}`
    const { port } = (this.#server?.address() ?? { port: 0 }) as AddressInfo
    return tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  }

  /** Goes away; what listens for feeds is forgotten, sessions are not. */
  async stop(): Promise<number> {
    const server = this.#server
    const { port } = (server?.address() ?? { port: 0 }) as AddressInfo
    this.#ring = []
    this.#feeds.clear()
    server?.closeAllConnections()
    await new Promise((resolve) => server?.close(resolve))
    this.#server = undefined
    return port
  }

  async restart(): Promise<void> {
    await this.listen({ ...this.#listening, port: await this.stop() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server !== undefined) await this.stop()
  }

  /** Ends every feed, as a proxy does that is tired of it. */
  dropFeeds(): void {
    for (const feed of this.#feeds) feed.destroy()
    this.#feeds.clear()
  }

  /** Forgets the steps that a feed could resume from. */
  forgetFeed(): void {
    this.#ring = []
  }

  /** Answers the next requests to `path` differently. */
  fault(path: string, ...answers: (Answer | 'hang' | 'drop')[]): void {
    this.faults.set(path, [...(this.faults.get(path) ?? []), ...answers])
  }

  /** An answer that is an error of the authority. */
  problem(status: number, code: string, detail: string, more: object = {}): Answer {
    return problem(status, code, detail, more)
  }

  /** How many requests came for a path. */
  count(path: string): number {
    return this.received.filter((request) => request.path === path).length
  }

  /** Opens a session without admission. */
  addSession(role: 'workload' | 'verifier' = 'workload'): TestSession {
    const id = base64url(this.domain.random.bytes(16))
    const session = { id, key: this.domain.random.bytes(32), sid: this.domain.web, role }
    this.sessions.set(id, session)
    return session
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://authority')
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const received: Received = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
      session: this.#authenticate(request),
    }
    this.received.push(received)
    const fault = this.faults.get(received.path)?.shift()
    if (fault === 'hang') return
    if (fault === 'drop') {
      response.destroy()
      return
    }
    if (fault === undefined && received.path === '/v1/feed') return this.#feed(received, response)
    const answer = fault ?? (await this.#answer(received))
    if (response.destroyed) return
    response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'application/json' })
    response.end(answer.bytes ?? answer.raw ?? (answer.json === undefined ? '' : JSON.stringify(answer.json)))
  }

  #authenticate({ headers, method = '', url = '' }: IncomingMessage): TestSession | undefined {
    const { authorization } = headers
    if (authorization?.startsWith('QIP-Session ') !== true) return undefined
    const proof = parseSessionProof(authorization)
    const session = this.sessions.get(proof.sessionId)
    if (session === undefined) return undefined
    if (!matchesSession(session.key, proof, { method, target: url })) return undefined
    return Math.abs(this.domain.clock.now() - proof.timeMs) > 30_000 ? undefined : session
  }

  async #answer(request: Received): Promise<Answer> {
    const { method, path } = request
    const route = this.routes.get(`${method} ${path}`)
    if (route !== undefined) return route(request)
    if (this.fallback !== undefined) return this.fallback(request)
    const open = await this.#answerOpen(request)
    if (open !== undefined) return open
    if (request.session === undefined) {
      return problem(401, 'QIP_AUTHORITY_SESSION_REFUSED', 'session refused: no such session', {
        next: 'admit the workload again with `POST /v1/workloads`',
      })
    }
    return this.#answerMember(request)
  }

  async #answerOpen({ method, path, query, body }: Received): Promise<Answer | undefined> {
    const { domain } = this
    if (method === 'POST' && path === '/v1/workloads') return this.#admit(body)
    if (path === '/v1/root') {
      const sequence = Number(query.get('sequence') ?? Math.max(...this.roots.keys()))
      const raw = this.roots.get(sequence)
      return raw === undefined ? problem(404, 'QIP_AUTHORITY_NOT_FOUND', 'no such root document') : { raw }
    }
    if (path === '/v1/bundle') return { raw: this.bundle ?? (domain.published.bundles.at(-1) as string) }
    if (path === '/v1/state') return { raw: domain.current.state }
    const head = /^\/v1\/heads\/([0-9a-f]{8})\/(\d+)-(\d+)$/.exec(path)
    if (head === null) return undefined
    const [, keyId, start, end] = head
    const log = domain.tokenLogs.find((known) => hex(u32be(known.keyId)) === keyId)
    const tuple = { origin: log?.origin ?? '', start: Number(start), end: Number(end) }
    const staple = await domain.headAnswer(tuple)
    return staple === undefined
      ? problem(404, 'QIP_AUTHORITY_NOT_FOUND', 'no such head')
      : { json: { staple } }
  }

  async #answerMember(request: Received): Promise<Answer> {
    const { method, path, query, body, session } = request
    switch (`${method} ${path}`) {
      case 'GET /v1/history':
        return { json: this.#history(Number(query.get('lifetime'))) }
      case 'POST /v1/workloads/renew':
        return this.#open((JSON.parse(body) as { key: object }).key, session?.role)
      case 'POST /v1/tokens':
        return { json: await issueTokens(this.domain, JSON.parse(body) as TokenBody, session?.sid ?? '') }
      case 'POST /v1/fleet/acknowledgements':
        return { json: this.probe === undefined ? {} : { probe: this.probe } }
      case 'POST /v1/fleet/departures':
        return { status: 204 }
      case 'POST /v1/decisions':
        return { json: { accepted: (JSON.parse(body) as { records: Json[] }).records.length } }
      default:
        return problem(404, 'QIP_HTTP_ROUTE_UNKNOWN', 'no such route')
    }
  }

  async #admit(body: string): Promise<Answer> {
    const { key, method, evidence } = JSON.parse(body) as {
      key: object
      method: string
      evidence: { token?: string; role?: 'workload' | 'verifier' }
    }
    if (method !== 'join-token' || evidence.token === 'wrong') {
      return problem(403, 'QIP_AUTHORITY_ADMISSION_REFUSED', 'not admitted: the join token is unknown')
    }
    return this.#open(key, evidence.role)
  }

  async #open(key: object, role: 'workload' | 'verifier' = 'workload'): Promise<Answer> {
    const session = this.addSession(role)
    const aad = utf8(session.id)
    const sealed = await sealField({ key: parseKemJwk(key), plaintext: session.key, aad })
    return {
      json: {
        session: session.id,
        sealedKey: base64url(sealed),
        sid: session.sid,
        role: session.role,
        builds: [{ digest: 'ab'.repeat(32), evidence: 0, attestation: [1, 7] }],
        expires: this.domain.nowS() + 3_600,
        warnings: [],
      },
    }
  }

  #history(lifetimeS: number): Json {
    const { domain } = this
    const current = domain.current
    const old = domain.steps.filter(({ timeMs }) => timeMs <= current.timeMs - lifetimeS * 1_000)
    const base = old.at(-1) ?? domain.steps[0]
    return {
      base: base?.state ?? '',
      heads: domain.heads.slice(base?.heads, current.heads).map((head) => buildHead(head)),
      revocations: domain.revocations.slice(0, current.epoch).map((record) => buildRevocation(record)),
      state: current.state,
      bundle: domain.published.bundles.at(-1) as string,
    }
  }

  #feed({ headers, session }: Received, response: ServerResponse): void {
    if (session?.role !== 'verifier') {
      const { status = 401, json } = problem(401, 'QIP_AUTHORITY_SESSION_REFUSED', 'session refused')
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(json))
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('retry: 20\n\n: hello\n\n')
    const last = headers['last-event-id']
    const at = this.#ring.findIndex(({ seq }) => String(seq) === last)
    if (at >= 0) for (const step of this.#ring.slice(at + 1)) response.write(this.#event(step))
    else if (last !== undefined) response.write(`event: ${this.resetEvent}\ndata: {}\n\n`)
    this.#feeds.add(response)
    response.once('close', () => this.#feeds.delete(response))
  }

  #publish(step: Published): void {
    if (this.isFeedMuted) return
    this.#ring.push(step)
    for (const feed of this.#feeds) feed.write(this.#event(step))
  }

  /** Sends every feed some text of its own. */
  send(text: string): void {
    for (const feed of this.#feeds) feed.write(text)
  }

  #event({ seq, state, bundle, epoch }: Published): string {
    const records = this.domain.revocations.slice(0, epoch).map((record) => buildRevocation(record))
    const data = JSON.stringify({ state, revocations: records, ...(bundle !== undefined && { bundle }) })
    return `id: ${seq}\nevent: state\ndata: ${data}\n\n`
  }
}
