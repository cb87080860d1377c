import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { systemRandom } from '@quantum-ip/base'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { DecisionLog, type DecisionRecord } from '@quantum-ip/telemetry'
import { formatReferenceToken, quantumIpIdentifier } from '@quantum-ip/token'
import {
  type FlowGateway,
  type FlowGatewayOptions,
  type FlowIdentity,
  type FlowRoute,
  type ProxyHeader,
  openFlowGateway,
  readFlowIdentity,
  readProxyHeader,
} from '../../src/index.ts'
import { type TestClaims, type TestDomain, type TestToken, createTestDomain } from './domain.ts'
import { policyOf } from './scene.ts'

/** A connection as an upstream got it. */
export interface ArrivedFlow {
  readonly socket: Socket
  /** Absent: there was none. */
  readonly header: ProxyHeader | undefined
  readonly names: FlowIdentity | undefined
}

/** An upstream that reads a header where there is one, answers `hello`, and echoes until the other side ends. */
export interface FlowUpstream extends AsyncDisposable {
  readonly port: number
  readonly arrived: readonly ArrivedFlow[]
}

export async function openFlowUpstream(): Promise<FlowUpstream> {
  const arrived: ArrivedFlow[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', (first: Buffer) => {
      const read = readProxyHeader(first)
      const header = read.kind === 'header' ? read.header : undefined
      arrived.push({ socket, header, names: header && readFlowIdentity(header.tlvs) })
      socket.write('hello ')
      if (read.kind === 'header') socket.write(first.subarray(read.length))
      else socket.write(first)
      socket.pipe(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    arrived,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function loopback(port: number): { host: string; port: number } {
  return { host: '127.0.0.1', port }
}

/** A flow gateway before an upstream, with a trust domain of its own and a reference token for `web`. */
export interface FlowScene extends AsyncDisposable {
  readonly domain: TestDomain
  readonly gateway: FlowGateway
  readonly port: number
  readonly upstream: FlowUpstream
  readonly quarantine: FlowUpstream
  readonly records: readonly DecisionRecord[]
  readonly refused: readonly string[]
  readonly cut: readonly string[]
  /** A reference token of `web` for `shop`, and what it stands for. */
  readonly token: string
  readonly issued: TestToken
  readonly identifier: Uint8Array
  readonly digest: Uint8Array
}

export interface FlowSceneOptions extends Partial<
  Omit<FlowGatewayOptions, 'flows' | 'verifier' | 'policies' | 'observer'>
> {
  readonly flow?: Partial<FlowRoute>
  readonly policy?: CompiledPolicy
  /** Of the token. */
  readonly claims?: TestClaims
}

export async function openFlowScene(options: FlowSceneOptions = {}): Promise<FlowScene> {
  const { flow, policy, claims = {}, ...rest } = options
  const domain = await createTestDomain()
  const [token] = await domain.issue([claims])
  if (token === undefined) throw new TypeError('no token')
  const reference = formatReferenceToken({ keyId: token.keyId, handle: new Uint8Array(16).fill(9) })
  const resolveReference = (asked: string): Promise<string | undefined> =>
    Promise.resolve(asked === reference ? token.text : undefined)
  await using opened = new AsyncDisposableStack()
  const upstream = opened.use(await openFlowUpstream())
  const quarantine = opened.use(await openFlowUpstream())
  const records: DecisionRecord[] = []
  const [refused, cut]: [string[], string[]] = [[], []]
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
  const gateway = await openFlowGateway({
    point: 'edge-1',
    clock: domain.clock,
    trust: domain.store,
    decisions,
    ...rest,
    timeouts: { stopMs: 100, sweepMs: 20, headerMs: 300, ...rest.timeouts },
    observer: { refused: (cause) => refused.push(cause), cut: (cause) => cut.push(cause) },
    verifier: domain.verifier({ references: { source: { resolveReference } } }),
    policies: new Map([['default', policy ?? policyOf()]]),
    flows: [
      {
        name: 'database',
        listen: loopback(0),
        service: domain.shop,
        upstream: loopback(upstream.port),
        quarantineUpstream: loopback(quarantine.port),
        policy: 'default',
        peers: ['127.0.0.1'],
        send: 'proxy-v2',
        accept: { reference: true },
        ...flow,
      },
    ],
  })
  const closing = opened.move()
  return {
    domain,
    gateway,
    port: gateway.addresses[0]?.port ?? 0,
    upstream,
    quarantine,
    records,
    refused,
    cut,
    token: reference,
    issued: token,
    identifier: quantumIpIdentifier(token.claims.sub, token.claims.bld),
    digest: token.digest,
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await closing.disposeAsync()
    },
  }
}

/** A connection: sends, and collects what comes. */
export interface FlowClient extends Disposable {
  readonly socket: Socket
  /** What has come so far. */
  readonly text: string
  /** Resolves when so much has come, or the connection is closed. */
  read(text: string): Promise<string>
  closed(): Promise<string>
}

export async function openFlowClient(
  port: number,
  ...parts: readonly (Uint8Array | string)[]
): Promise<FlowClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  let heard = Promise.withResolvers<void>()
  const tell = (): void => {
    heard.resolve()
    heard = Promise.withResolvers()
  }
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    tell()
  })
  socket.on('end', () => socket.end())
  socket.on('close', tell)
  await once(socket, 'connect')
  for (const part of parts) socket.write(part)
  const until = async (done: () => boolean): Promise<string> => {
    while (!done() && !socket.closed) await heard.promise
    return text
  }
  return {
    socket,
    get text() {
      return text
    },
    read: (wanted) => until(() => text.includes(wanted)),
    closed: () => until(() => false),
    [Symbol.dispose]() {
      socket.destroy()
    },
  }
}
