import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, type Server, createServer } from 'node:http'
import { type ServerHttp2Stream, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { CompiledPolicy } from '@quantum-ip/policy'
import type { DecisionRecorder } from '@quantum-ip/point'
import type { Verifier, VerifierOptions } from '@quantum-ip/verifier'
import { simulatedClock } from '@quantum-ip/testing'
import { type TestDomain, createTestDomain } from './domain.ts'
import { policyOf } from './scene.ts'

/** What stands behind a point under test: it says what it saw, takes WebSockets, and counts. */
export interface CaseService extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Requests and upgrades so far. */
  readonly asked: number
}

/** A route that every point under test has. */
export interface CaseRoute {
  readonly path: string
  readonly policy: string
  /** Whether requests to `/health` pass without a token. */
  readonly exempt?: readonly { readonly path: string }[]
}

/** The routes of every point under test: all for the service `shop` of the domain. The first one takes what no other takes. */
export const caseRoutes: readonly CaseRoute[] = [
  { path: '/', policy: 'enforced', exempt: [{ path: '/health' }] },
  { path: '/monitored', policy: 'monitored' },
  { path: '/jailed', policy: 'jailed' },
  { path: '/closed', policy: 'closed' },
]

const all = 'verdict.status == "verified"'

/** Their policies, by name. `jailed` names the quarantine upstream `jail`. */
export const casePolicies: ReadonlyMap<string, CompiledPolicy> = new Map([
  ['enforced', policyOf({}, 'enforced')],
  ['monitored', policyOf({ mode: 'monitor' }, 'monitored')],
  [
    'jailed',
    policyOf(
      { rules: [{ name: 'jail', when: all, action: 'quarantine', quarantine: { upstream: 'jail' } }] },
      'jailed',
    ),
  ],
  ['closed', policyOf({ rules: [{ name: 'closed', when: all, action: 'reject' }] }, 'closed')],
])

/** What differs between points. */
export interface CaseWorldOptions {
  /** Whether the point has a clock of its own: the time of each case then ends at that of this machine. Default: the domain's stands still. */
  readonly realTime?: boolean
}

/**
 * The world in which a point under test lives: real domains, one after the other, behind one verifier, so that the point and the proxy
 * before it are opened once and each case begins anew.
 */
export class CaseWorld implements AsyncDisposable {
  readonly service: CaseService
  readonly jail: CaseService
  /** gRPC: HTTP/2 in the clear. */
  readonly grpc: CaseService
  /** The trust domain of the case. */
  domain: TestDomain
  /** The reasons of the verdicts that were recorded, oldest first. */
  readonly reasons: string[] = []
  readonly decisions: DecisionRecorder
  /** What a point is opened with. */
  readonly verifier: Verifier
  #current: Verifier
  readonly #options: CaseWorldOptions

  private constructor(
    services: { service: CaseService; jail: CaseService; grpc: CaseService },
    domain: TestDomain,
    options: CaseWorldOptions,
  ) {
    this.#options = options
    this.service = services.service
    this.jail = services.jail
    this.grpc = services.grpc
    this.domain = domain
    this.#current = domain.verifier()
    let count = 0
    this.decisions = {
      record: ({ verdict }) => {
        this.reasons.push(verdict.reason)
        return `case-${++count}`
      },
    }
    this.verifier = {
      verify: (input) => this.#current.verify(input),
      recheck: (verdict) => this.#current.recheck(verdict),
      checkDeferred: (verdict) => this.#current.checkDeferred(verdict),
      recheckAttestation: (place) => this.#current.recheckAttestation(place),
      ready: () => this.#current.ready(),
      stats: () => this.#current.stats(),
      close: () => this.#current.close(),
    }
  }

  static async open(options: CaseWorldOptions = {}): Promise<CaseWorld> {
    const [service, jail, grpc] = [await openService('service'), await openService('jail'), await openGrpc()]
    return new CaseWorld({ service, jail, grpc }, await createTestDomain(), options)
  }

  /** A new trust domain for the next case, which moves the clock on by `advancesMs`. */
  async begin(advancesMs = 0): Promise<TestDomain> {
    const clock = this.#options.realTime === true ? simulatedClock(Date.now() - advancesMs) : undefined
    this.domain = await createTestDomain({ ...(clock !== undefined && { clock }) })
    this.use()
    return this.domain
  }

  /** From now on the point verifies with this. */
  use(options: Partial<VerifierOptions> = {}): Verifier {
    this.#current = this.domain.verifier(options)
    return this.#current
  }

  /** How often anything behind the point was asked. */
  get asked(): number {
    return this.service.asked + this.jail.asked + this.grpc.asked
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.service, this.jail, this.grpc]) await each[Symbol.asyncDispose]()
  }
}

// Bodies that are long are told by length and hash.
const bodyShownMax = 4_096

async function openService(name: string): Promise<CaseService> {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const { method, url, rawHeaders: raw } = request
      const shown = body.length > bodyShownMax ? digestOf(body) : body.toString()
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ upstream: name, method, url, raw, body: shown }))
    })
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    asked++
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on('message', (data: Buffer) => opened.send(`${name} heard ${data.toString()}`))
    })
  })
  return listening(server, () => asked)
}

/** What the service says of a long body. */
export function digestOf(body: Buffer): string {
  return `${body.length} ${createHash('sha256').update(body).digest('hex')}`
}

// Answers any call with its own message, and with a status in trailers.
async function openGrpc(): Promise<CaseService> {
  let asked = 0
  const sessions = new Set<{ destroy(): void }>()
  const server = createHttp2Server()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    asked++
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'x-saw-status': String(headers['quantum-ip-status'] ?? ''),
        'x-saw-token': String(headers['quantum-ip'] ?? ''),
      },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('error', () => undefined)
    stream.pipe(stream)
  })
  const opened = await listening(server as unknown as Server, () => asked)
  return {
    url: opened.url,
    port: opened.port,
    get asked() {
      return asked
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function listening(server: Server, asked: () => number): Promise<CaseService> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get asked() {
      return asked()
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
