import { once } from 'node:events'
import {
  type IncomingHttpHeaders,
  type RequestOptions,
  createServer,
  request as httpRequest,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { systemRandom } from '@quantum-ip/base'
import { type CompiledPolicy, compilePolicy, parsePolicy } from '@quantum-ip/policy'
import { DecisionLog, type DecisionRecord } from '@quantum-ip/telemetry'
import { type Gateway, type GatewayOptions, type GatewayRoute, openGateway } from '../../src/index.ts'
import { type TestDomain, createTestDomain } from './domain.ts'

/** What an echo upstream saw of a request. */
export interface Seen {
  readonly upstream: string
  readonly method: string
  readonly url: string
  /** Flat. */
  readonly raw: readonly string[]
  readonly body: string
}

export interface Asked {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** What the upstream saw, if it answered. */
  readonly seen: Seen
  /** The problem, if it is one. */
  readonly problem: Readonly<Record<string, unknown>>
  /** The value of a field that the upstream saw. */
  field(name: string): string | undefined
}

/** An upstream that says what it saw. `/stream` never ends. */
export async function openEcho(
  name: string,
): Promise<{ url: string; asked: () => number } & AsyncDisposable> {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    if (request.url?.startsWith('/stream') === true) {
      response.write('begun')
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, rawHeaders } = request
      response.end(
        JSON.stringify({
          upstream: name,
          method,
          url,
          raw: rawHeaders,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A policy out of its rules; enforced, and refusing by default. */
export function policyOf(spec: Record<string, unknown> = {}, name = 'default'): CompiledPolicy {
  return compilePolicy(
    parsePolicy({
      apiVersion: 'quantum-ip.dev/v1',
      kind: 'Policy',
      metadata: { name, version: 1 },
      spec: {
        mode: 'enforce',
        default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
        ...spec,
      },
    }),
  )
}

/** A gateway before an echo, with a trust domain of its own. */
export interface Scene extends AsyncDisposable {
  readonly domain: TestDomain
  readonly gateway: Gateway
  readonly port: number
  readonly echo: { readonly url: string; asked(): number }
  /** Decisions that were recorded, oldest first. */
  readonly records: readonly DecisionRecord[]
  ask(options?: AskOptions): Promise<Asked>
}

export interface AskOptions extends RequestOptions {
  /** Flat. */
  readonly fields?: readonly string[]
  readonly token?: string
  readonly body?: string | Uint8Array
  readonly secure?: boolean
  /** PEM, with `secure`. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface SceneOptions extends Partial<Omit<GatewayOptions, 'routes' | 'verifier' | 'policies'>> {
  readonly route?: Partial<GatewayRoute>
  readonly routes?: (url: string, domain: TestDomain) => readonly GatewayRoute[]
  readonly policies?: readonly CompiledPolicy[]
  readonly verifier?: Parameters<TestDomain['verifier']>[0]
  readonly domain?: TestDomain
}

export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const { route, routes, policies, verifier, ...rest } = options
  const domain = options.domain ?? (await createTestDomain())
  const echo = await openEcho('echo')
  const records: DecisionRecord[] = []
  const sink = {
    write: (record: { kind: string }) => {
      if (record.kind === 'decision') records.push(record as DecisionRecord)
    },
  }
  const decisions = new DecisionLog({
    point: 'edge-1',
    clock: domain.clock,
    random: systemRandom,
    sink,
    sampleRatio: 1,
  })
  const gateway = await openGateway({
    point: 'edge-1',
    listeners: [{}],
    clock: domain.clock,
    trust: domain.store,
    decisions,
    ...rest,
    timeouts: { stopMs: 100, ...rest.timeouts },
    verifier: domain.verifier(verifier),
    policies: new Map((policies ?? [policyOf()]).map((policy) => [policy.identity.name, policy])),
    routes: routes?.(echo.url, domain) ?? [
      { match: {}, service: domain.shop, upstream: { url: echo.url }, policy: 'default', ...route },
    ],
  })
  const port = gateway.addresses[0]?.port ?? 0
  return {
    domain,
    gateway,
    port,
    echo,
    records,
    ask: (asked) => ask(port, asked),
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await echo[Symbol.asyncDispose]()
    },
  }
}

export async function ask(port: number, options: AskOptions = {}): Promise<Asked> {
  const { fields = [], token, body, secure = false, ...rest } = options
  const headers = [
    'host',
    'shop.acme.example',
    ...fields,
    ...(token === undefined ? [] : ['Quantum-IP', token]),
  ]
  if (body !== undefined) headers.push('content-length', String(Buffer.byteLength(body)))
  const request = (secure ? httpsRequest : httpRequest)({
    port,
    host: '127.0.0.1',
    agent: false,
    path: '/cart?x=1',
    ...rest,
    headers,
  })
  request.end(body)
  const [response] = await once(request, 'response')
  const chunks = await response.setEncoding('utf8').toArray()
  const text = chunks.join('')
  const parsed = text.startsWith('{') ? (JSON.parse(text) as Seen & Record<string, unknown>) : undefined
  return {
    status: response.statusCode,
    headers: response.headers,
    body: text,
    seen: parsed as Seen,
    problem: parsed ?? {},
    field: (name) => {
      const raw = parsed?.raw ?? []
      const at = raw.findIndex((each, i) => i % 2 === 0 && each.toLowerCase() === name)
      return at < 0 ? undefined : raw[at + 1]
    },
  }
}
