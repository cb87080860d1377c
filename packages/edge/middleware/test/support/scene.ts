import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { DecisionLog, type DecisionRecord, type LogRecord } from '@quantum-ip/telemetry'
import { createTestAuthority, type TestAuthority } from '@quantum-ip/testkit'
import type { Clock } from '@quantum-ip/base'
import type { VerifierOptions } from '@quantum-ip/verifier'
import { createQuantumIp, type QuantumIp, type QuantumIpOptions } from '../../src/index.ts'

/** What the handler behind the middleware saw of a request, and says in its answer. */
export interface Seen {
  readonly identity?: string
  readonly reason: string
  readonly action: string
  readonly decisionId: string | null
  /** The fields as the framework shows them. */
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** A server of one framework that answers `POST /cart` (and others) with {@link Seen}. */
export interface TestServer extends AsyncDisposable {
  readonly port: number
}

/** Opens it with this verification in front. */
export type OpenServer = (quantumIp: QuantumIp) => Promise<TestServer>

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

export interface Scene extends AsyncDisposable {
  readonly kit: TestAuthority<Clock>
  readonly records: readonly DecisionRecord[]
  readonly errors: readonly unknown[]
  readonly port: number
  ask(fields?: readonly string[], body?: string | readonly Buffer[]): Promise<Answer>
}

export interface SceneOptions extends Partial<QuantumIpOptions> {
  readonly verifierOptions?: Partial<VerifierOptions>
}

/** A policy document; enforced, and refusing by default. */
export function policyOf(spec: Record<string, unknown> = {}): object {
  return {
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'default', version: 1 },
    spec: {
      mode: 'enforce',
      default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
      ...spec,
    },
  }
}

export async function openScene(open: OpenServer, options: SceneOptions = {}): Promise<Scene> {
  const kit = await createTestAuthority({ clock: systemClock })
  const records: DecisionRecord[] = []
  const errors: unknown[] = []
  const { verifierOptions, ...rest } = options
  const decisions = new DecisionLog({
    point: 'shop-1',
    clock: systemClock,
    random: systemRandom,
    sampleRatio: 1,
    sink: {
      write(record: LogRecord) {
        if (record.kind === 'decision') records.push(record)
      },
    },
  })
  const verifier = kit.verifier(verifierOptions)
  await kit.publish()
  const service = kit.service('service')
  const onError = (error: unknown): void => void errors.push(error)
  const server = await open(
    createQuantumIp({ service, point: 'shop-1', verifier, decisions, onError, ...rest }),
  )
  return {
    kit,
    records,
    errors,
    port: server.port,
    ask: (fields, body) => ask(server.port, fields, body),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** Sends one request with exactly these fields (flat). A body of several pieces is sent in chunks. */
export async function ask(
  port: number,
  fields: readonly string[] = [],
  body: string | readonly Buffer[] = '',
): Promise<Answer> {
  const headers = ['Host', 'shop.example.test', ...fields]
  if (typeof body === 'string' && body !== '') headers.push('content-length', String(body.length))
  if (typeof body !== 'string') headers.push('transfer-encoding', 'chunked')
  const method = body === '' ? 'GET' : 'POST'
  const request = httpRequest({ port, host: '127.0.0.1', agent: false, path: '/cart?x=1', method, headers })
  const answered = once(request, 'response')
  if (typeof body === 'string') request.end(body)
  else {
    for (const piece of body) request.write(piece)
    request.end()
  }
  const [response] = await answered
  const text: string = (await response.setEncoding('utf8').toArray()).join('')
  const json = text.startsWith('{') ? JSON.parse(text) : {}
  return { status: response.statusCode, headers: response.headers, text, json }
}

/** The port of a server that listens. */
export function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port
}
