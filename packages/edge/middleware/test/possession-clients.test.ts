import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http'
import { test } from 'node:test'
import {
  type ChannelCredentials,
  type Client,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { systemClock } from '@quantum-ip/base'
import { generateProofJwk, parseProofSigner } from '@quantum-ip/crypto'
import { createTestAuthority } from '@quantum-ip/testkit'
import type { Confirmation } from '@quantum-ip/token'
import { allocateReplayMemory, ReplayFilter } from '@quantum-ip/verifier'
import { boundTo } from '../../../core/verifier/test/possession-cases.ts'
import { makeCertificate, type TestCertificate } from '../../enforce/test/support/certificates.ts'
import { createServiceFetch } from '../src/fetch.ts'
import { grpcClientInterceptor, grpcServerInterceptor, quantumIpOf } from '../src/grpc.ts'
import { createQuantumIp, type QuantumIpOptions } from '../src/index.ts'
import { verified } from '../src/node-http.ts'
import { portOf } from './support/scene.ts'

const signer = parseProofSigner(generateProofJwk('ES256'))
const otherSigner = parseProofSigner(generateProofJwk('ES256'))

async function openKit(options: Partial<QuantumIpOptions> = {}) {
  const kit = await createTestAuthority({ clock: systemClock })
  // It began a minute ago: what was made before that is not taken.
  const memory = allocateReplayMemory({ bytes: 1_048_576, startedMs: Date.now() - 60_000 })
  const verifier = kit.verifier({ replay: new ReplayFilter(memory) })
  await kit.publish()
  const audience = kit.service('service')
  const quantumIp = createQuantumIp({ service: audience, verifier, ...options })
  const pool = (confirmation: Confirmation) => ({ take: () => kit.issue({ audience, confirmation }) })
  return { kit, audience, quantumIp, pool }
}

test('fetch proves the key of its tokens with each request, redirects within the service included', async () => {
  const { audience, quantumIp, pool } = await openKit()
  const proofs: unknown[] = []
  const server = createServer((request, response) => {
    proofs.push(request.headers['workload-proof-token'])
    verified(quantumIp, ({ url }, answer) => {
      if (url === '/moved') answer.writeHead(302, { location: '/cart' }).end()
      else answer.end('done')
    })(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${portOf(server)}`
  try {
    const tokens = pool(boundTo(signer))
    const call = createServiceFetch({ audience, tokens, origin, signer })
    assert.equal((await call(`${origin}/cart?x=1`)).status, 200)
    const moved = await call(`${origin}/moved`, { headers: { 'Workload-Proof-Token': 'made by hand' } })
    assert.equal(await moved.text(), 'done')
    assert.equal(new Set(proofs).size, 3)
    const { token } = await tokens.take()
    const again = { 'Quantum-IP': token, 'Workload-Proof-Token': String(proofs[0]) }
    assert.equal((await fetch(`${origin}/cart`, { headers: again })).status, 401)
    for (const wrong of [undefined, otherSigner]) {
      const other = createServiceFetch({ audience, tokens, origin, ...(wrong && { signer: wrong }) })
      assert.equal((await other(`${origin}/cart`)).status, 401)
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

async function listen(answer: RequestListener): Promise<HttpServer> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

test('fetch proves again where the head of the token is asked for, and shows no proof to another origin', async () => {
  const { kit, audience } = await openKit()
  const seen: [string, unknown, unknown][] = []
  const stranger = await listen(({ headers }, response) => {
    seen.push(['stranger', headers['quantum-ip'], headers['workload-proof-token']])
    response.end()
  })
  const server = await listen(({ headers }, response) => {
    seen.push(['service', headers['quantum-ip-head'] !== undefined, headers['workload-proof-token']])
    const challenge = 'Quantum-IP error="head_required", head="required"'
    if (headers['quantum-ip-head'] === undefined)
      response.writeHead(401, { 'www-authenticate': challenge }).end()
    else response.writeHead(302, { location: `http://127.0.0.1:${portOf(stranger)}/` }).end()
  })
  try {
    const origin = `http://127.0.0.1:${portOf(server)}`
    const tokens = { take: () => kit.issue({ audience, confirmation: boundTo(signer) }) }
    await createServiceFetch({ audience, tokens, origin, signer })(`${origin}/cart`)
    const [first, second, third] = seen
    assert.deepEqual([first?.[1], second?.[1]], [false, true])
    assert.notEqual(first?.[2], second?.[2])
    assert.deepEqual(third, ['stranger', undefined, undefined])
  } finally {
    for (const each of [server, stranger]) {
      each.closeAllConnections()
      each.close()
    }
  }
})

const method = {
  requestSerialize: (value: string) => Buffer.from(value),
  responseSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
}
const service: ServiceDefinition = {
  ask: { ...method, path: '/shop.Shop/Ask', requestStream: false, responseStream: false },
}

interface Asked {
  readonly code: status
  readonly identity?: string
}

async function openGrpc(options: Partial<QuantumIpOptions>, secure?: ServerCredentials) {
  const opened = await openKit(options)
  const server = new Server({ interceptors: [grpcServerInterceptor(opened.quantumIp)] })
  server.addService(service, {
    ask(call: { metadata: Metadata }, answer: (error: null, value: string) => void) {
      answer(null, String(quantumIpOf(call).identity))
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', secure ?? ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  const ask = (
    channel: ChannelCredentials,
    metadata: Metadata,
    interceptors: Parameters<typeof grpcClientInterceptor>[0][] = [],
  ): Promise<Asked> => {
    const Shop = makeGenericClientConstructor(service, 'Shop')
    const client: Client = new Shop(`localhost:${port}`, channel, {
      interceptors: interceptors.map((each) => grpcClientInterceptor(each)),
    })
    const call = client as unknown as Record<
      'ask',
      (text: string, metadata: Metadata, done: (error: ServiceError | null, value?: string) => void) => void
    >
    return new Promise((resolve) => {
      call.ask('hello', metadata, (error, identity) => {
        client.close()
        client.close()
        resolve({ code: error?.code ?? status.OK, ...(identity !== undefined && { identity }) })
      })
    })
  }
  return { ...opened, port, ask, [Symbol.dispose]: () => server.forceShutdown() }
}

function metadataOf(fields: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(fields)) metadata.add(name, value)
  return metadata
}

test('gRPC takes a token that is bound to a certificate from the connection that shows it', async () => {
  const [proxy, issuer] = [makeCertificate('server'), makeCertificate('clients')]
  const [caller, other] = [
    makeCertificate('caller', undefined, issuer),
    makeCertificate('other', undefined, issuer),
  ]
  const pairs = [{ private_key: Buffer.from(proxy.key), cert_chain: Buffer.from(proxy.cert) }]
  using scene = await openGrpc({}, ServerCredentials.createSsl(Buffer.from(issuer.cert), pairs, true))
  const { token } = await scene.kit.issue({ confirmation: { x5tS256: caller.thumbprint } })
  const metadata = metadataOf({
    'quantum-ip': token,
    'x-forwarded-client-cert': `Hash=${caller.thumbprint.toString('hex')}`,
  })
  const as = (client: TestCertificate): Promise<Asked> =>
    scene.ask(
      credentials.createSsl(Buffer.from(proxy.cert), Buffer.from(client.key), Buffer.from(client.cert)),
      metadata,
    )
  for (let i = 0; i < 2; i++) assert.equal((await as(caller)).identity, 'spiffe://example.test/caller')
  assert.equal((await as(other)).code, status.UNAUTHENTICATED)
})

test('gRPC takes a certificate that a listed proxy tells of, and nobody else', async () => {
  const caller = makeCertificate('caller')
  for (const [peers, code] of [
    [['127.0.0.1', '::1'], status.OK],
    [['10.0.0.0/8', 'unix'], status.UNAUTHENTICATED],
  ] as const) {
    using scene = await openGrpc({ clientCertificates: { from: 'xfcc', peers } })
    const { token } = await scene.kit.issue({ confirmation: { x5tS256: caller.thumbprint } })
    const xfcc = `Hash=${caller.thumbprint.toString('hex')};Subject="CN=a,O=b"`
    const told = metadataOf({ 'quantum-ip': token, 'x-forwarded-client-cert': xfcc })
    const channel = credentials.createInsecure()
    assert.equal((await scene.ask(channel, told)).code, code)
    assert.equal((await scene.ask(channel, metadataOf({ 'quantum-ip': token }))).code, status.UNAUTHENTICATED)
  }
})

test('gRPC proves the key of its tokens with each call', async () => {
  using scene = await openGrpc({})
  const { audience, port, pool } = scene
  const tokens = pool(boundTo(signer))
  const origin = `http://localhost:${port}`
  const channel = credentials.createInsecure()
  const proved = { audience, tokens, proof: { signer, origin } }
  for (let i = 0; i < 2; i++)
    assert.equal((await scene.ask(channel, new Metadata(), [proved])).code, status.OK)
  const wrong = [
    { audience, tokens },
    { ...proved, proof: { signer: otherSigner, origin } },
    { ...proved, proof: { signer, origin: 'http://other.example' } },
  ]
  for (const each of wrong)
    assert.equal((await scene.ask(channel, new Metadata(), [each])).code, status.UNAUTHENTICATED)
})
