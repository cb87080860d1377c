import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  type Client,
  credentials,
  type Interceptor,
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { systemClock } from '@quantum-ip/base'
import type { IssuedToken } from '@quantum-ip/client'
import { createTestAuthority, type TestAuthority } from '@quantum-ip/testkit'
import { grpcClientInterceptor, grpcServerInterceptor, quantumIpOf } from '../src/grpc.ts'
import { createQuantumIp, type QuantumIp, type QuantumIpOptions } from '../src/index.ts'
import { policyOf } from './support/scene.ts'

const method = {
  requestSerialize: (value: string) => Buffer.from(value),
  responseSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
}
const service: ServiceDefinition = {
  ask: { ...method, path: '/shop.Shop/Ask', requestStream: false, responseStream: false },
  talk: { ...method, path: '/shop.Shop/Talk', requestStream: true, responseStream: true },
}

interface Scene extends AsyncDisposable {
  readonly kit: TestAuthority
  readonly handled: () => number
  client(interceptors?: readonly Interceptor[]): Client
}

async function openScene(options: Partial<QuantumIpOptions> = {}, opened?: QuantumIp): Promise<Scene> {
  const kit = await createTestAuthority()
  const verifier = kit.verifier()
  await kit.publish()
  const decisions = { record: () => 'shop-1-id' }
  const made = { service: kit.service('service'), verifier, clock: kit.clock, decisions, ...options }
  const quantumIp = opened ?? createQuantumIp(made)
  const server = new Server({ interceptors: [grpcServerInterceptor(quantumIp)] })
  let handled = 0
  server.addService(service, {
    ask(call: { metadata: Metadata; request: string }, answer: (error: null, value: string) => void) {
      handled++
      const { identity, action } = quantumIpOf(call)
      const { 'quantum-ip-status': found, ...rest } = call.metadata.getMap()
      answer(null, JSON.stringify({ identity, action, found, rest, request: call.request }))
    },
    talk(call: ServerDuplexStream<string, string>) {
      handled++
      const { identity } = quantumIpOf(call)
      call.on('data', (piece: string) => call.write(`${identity} says ${piece}`))
      call.on('end', () => call.end())
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
  const clients: Client[] = []
  return {
    kit,
    handled: () => handled,
    client(interceptors = []) {
      const Shop = makeGenericClientConstructor(service, 'Shop')
      const client = new Shop(`127.0.0.1:${port}`, credentials.createInsecure(), {
        interceptors: [...interceptors],
      })
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close()
      server.forceShutdown()
    },
  }
}

function talk(client: Client, token: string): ServerDuplexStream<string, string> {
  const metadata = new Metadata()
  metadata.set('quantum-ip', token)
  return (client as unknown as { talk(metadata: Metadata): ServerDuplexStream<string, string> }).talk(
    metadata,
  )
}

type Ask = (
  request: string,
  metadata: Metadata,
  done: (error: ServiceError | null, value: string) => void,
) => void

function ask(client: Client, fields: readonly (readonly [string, string])[] = []): Promise<string> {
  const metadata = new Metadata()
  for (const [name, value] of fields) metadata.add(name, value)
  return new Promise((resolve, reject) => {
    const call = (client as unknown as { ask: Ask }).ask.bind(client)
    call('a question', metadata, (error, value) => (error === null ? resolve(value) : reject(error)))
  })
}

function pool(take: () => Promise<IssuedToken>) {
  return { take }
}

test('gRPC: shows handlers who calls, and nothing that the caller wrote in its place', async () => {
  await using scene = await openScene()
  const token = await scene.kit.token()
  const answer = JSON.parse(
    await ask(scene.client(), [
      ['quantum-ip', token],
      ['quantum-ip-status', 'status=verified, sub="spoofed"'],
      ['quantum_ip_status', 'spoofed'],
      ['x-own', 'kept'],
    ]),
  )
  assert.equal(answer.identity, scene.kit.service('caller'))
  assert.equal(answer.request, 'a question')
  assert.match(answer.found, /^status=verified, .*caller/)
  assert.equal(answer.rest['x-own'], 'kept')
  assert.ok(!JSON.stringify(answer).includes('spoofed'))
  assert.ok(!JSON.stringify(answer).includes(token))
})

const refused: readonly (readonly [string, (kit: TestAuthority) => Promise<readonly string[]>])[] = [
  ['no token', async () => []],
  ['a forged token', async (kit) => [await kit.forged()]],
  ['an expired token', async (kit) => [await kit.expired()]],
  ['a truncated token', async (kit) => [await kit.truncated()]],
  ['a token for another service', async (kit) => [await kit.token({ audience: kit.service('other') })]],
  ['two tokens', async (kit) => [await kit.token(), await kit.token()]],
]

for (const [what, tokensOf] of refused) {
  test(`gRPC: refuses ${what} with UNAUTHENTICATED and the decision's ID, before any message`, async () => {
    await using scene = await openScene()
    const fields = (await tokensOf(scene.kit)).map((token) => ['quantum-ip', token] as const)
    await assert.rejects(ask(scene.client(), fields), (error: ServiceError) => {
      assert.equal(error.code, status.UNAUTHENTICATED)
      assert.match(error.details, /\(decision shop-1-id\)$/)
      assert.deepEqual(error.metadata.get('quantum-ip-decision'), ['shop-1-id'])
      return true
    })
    assert.equal(scene.handled(), 0)
  })
}

const failingVerifier = { verify: () => Promise.reject(new Error('a defect')) }

test('gRPC: PERMISSION_DENIED where the policy refuses, UNAVAILABLE where verification fails', async () => {
  const policy = policyOf({
    rules: [{ name: 'nobody', when: 'request.path == "/shop.Shop/Ask"', action: 'reject' }],
  })
  await using scene = await openScene({ policy })
  const token = await scene.kit.token()
  await assert.rejects(ask(scene.client(), [['quantum-ip', token]]), { code: status.PERMISSION_DENIED })
  await using failing = await openScene({ verifier: failingVerifier })
  await assert.rejects(ask(failing.client(), [['quantum-ip', token]]), { code: status.UNAVAILABLE })
  assert.equal(scene.handled() + failing.handled(), 0)
})

test('gRPC: the client attaches a token to each call, streams included', async () => {
  await using scene = await openScene()
  const { kit } = scene
  const tokens = pool(() => kit.issue({ oneTime: true }))
  const client = scene.client([grpcClientInterceptor({ audience: kit.service('service'), tokens })])
  assert.match(await ask(client), /caller/)
  assert.match(await ask(client), /caller/)
  const stream = (client as unknown as { talk(): ServerDuplexStream<string, string> }).talk()
  for (const piece of ['one', 'two', 'three']) stream.write(piece)
  stream.end()
  const pieces: string[] = await stream.toArray()
  assert.deepEqual(
    pieces,
    ['one', 'two', 'three'].map((piece) => `${kit.service('caller')} says ${piece}`),
  )
})

test('gRPC: a stream without a token ends before its handler begins', async () => {
  await using scene = await openScene()
  const stream = (scene.client() as unknown as { talk(): ServerDuplexStream<string, string> }).talk()
  stream.write('one')
  await assert.rejects(stream.toArray(), { code: status.UNAUTHENTICATED })
  assert.equal(scene.handled(), 0)
})

test('gRPC: the client staples heads once it was asked to', async () => {
  await using scene = await openScene()
  const { kit } = scene
  const tokens = pool(() => kit.unlisted())
  const client = scene.client([grpcClientInterceptor({ audience: kit.service('service'), tokens })])
  await assert.rejects(ask(client), { code: status.UNAUTHENTICATED })
  assert.match(await ask(client), /caller/)
})

test('gRPC: without a token nothing is sent, and the call ends with UNAVAILABLE', async () => {
  await using scene = await openScene()
  const tokens = pool(() => Promise.reject(new Error('the authority is away')))
  const client = scene.client([grpcClientInterceptor({ audience: scene.kit.service('service'), tokens })])
  await assert.rejects(ask(client), { code: status.UNAVAILABLE })
  assert.equal(scene.handled(), 0)
})

test('gRPC: a quarantined call gives its place back', async () => {
  const many = { rate: '100000/s', concurrency: 2 }
  const policy = policyOf({
    rules: [
      { name: 'many', when: 'request.path == "/shop.Shop/Ask"', action: 'quarantine', quarantine: many },
    ],
  })
  await using scene = await openScene({ policy })
  const token = await scene.kit.token()
  const client = scene.client()
  for (let i = 0; i < 5; i++) {
    assert.match(await ask(client, [['quantum-ip', token]]), /quarantine/)
    scene.kit.clock.advance(10)
  }
})

test('gRPC: quarantined calls beyond their share are UNAVAILABLE', async () => {
  const policy = policyOf({
    rules: [{ name: 'suspect', when: 'verdict.status == "verified"', action: 'quarantine' }],
  })
  await using scene = await openScene({ policy })
  const token = await scene.kit.token()
  const client = scene.client()
  assert.match(await ask(client, [['quantum-ip', token]]), /quarantine/)
  await assert.rejects(ask(client, [['quantum-ip', token]]), { code: status.UNAVAILABLE })
})

test('gRPC: a stream ends with UNAUTHENTICATED when its caller is revoked, and no other one', async () => {
  const kit = await createTestAuthority({ clock: systemClock })
  const verifier = kit.verifier()
  const cut = { trust: kit.trust, verifier, clockToleranceS: 0 }
  const audience = kit.service('service')
  using quantumIp = createQuantumIp({ service: audience, verifier, cut })
  await using scene = await openScene({}, quantumIp)
  const client = scene.client()
  const [bad, good] = [
    talk(client, await kit.token()),
    talk(client, await kit.token({ identity: kit.service('other') })),
  ]
  for (const stream of [bad, good]) stream.write('one')
  await Promise.all([once(bad, 'data'), once(good, 'data')])
  assert.equal(quantumIp.openCalls, 2)
  const ended = once(bad, 'error')
  await kit.revoke('identity', kit.service('caller'))
  const [error] = await ended
  assert.equal(error.code, status.UNAUTHENTICATED)
  assert.match(error.details, /holds no longer/)
  assert.equal(quantumIp.openCalls, 1)
  good.write('two')
  assert.match(String(await once(good, 'data')), /other says two/)
  good.end()
  await once(good.resume(), 'end')
  assert.equal(quantumIp.openCalls, 0)
})

test('gRPC: a stream ends with UNAUTHENTICATED when its token ends', async () => {
  const kit = await createTestAuthority({ clock: systemClock })
  const verifier = kit.verifier()
  const cut = { trust: kit.trust, verifier, clockToleranceS: 0 }
  using quantumIp = createQuantumIp({ service: kit.service('service'), verifier, cut })
  await using scene = await openScene({}, quantumIp)
  const stream = talk(scene.client(), await kit.token({ ttlS: 2 }))
  stream.write('one')
  await once(stream, 'data')
  const [error] = await once(stream, 'error')
  assert.equal(error.code, status.UNAUTHENTICATED)
  assert.equal(quantumIp.openCalls, 0)
})
