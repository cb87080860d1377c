import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatProxyHeader, proxyTlvTypes } from '../src/index.ts'
import { type FlowScene, openFlowClient, openFlowScene } from './support/flow-scene.ts'
import { policyOf } from './support/scene.ts'

const ends = {
  source: { address: '192.0.2.7', port: 40_000 },
  destination: { address: '192.0.2.8', port: 5_432 },
}

function headerOf({ token }: FlowScene, more: readonly { type: number; value: Uint8Array }[] = []): Buffer {
  const tlvs = [{ type: proxyTlvTypes.token, value: Buffer.from(token) }, ...more]
  return Buffer.from(formatProxyHeader({ ...ends, tlvs }))
}

const rejecting = {
  default: { verified: 'reject', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
}
const rejectsAll = policyOf(rejecting, 'next')
const inShadow = policyOf({ ...rejecting, mode: 'monitor' }, 'next')

/** Waits for what comes about without anybody telling. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('a candidate in shadow decides beside the policy of a flow, is told, and changes nothing', async () => {
  const seen: string[] = []
  await using scene = await openFlowScene({
    candidates: new Map([['default', inShadow]]),
    watch: (active, candidate) =>
      void seen.push(`${active.action} ${candidate?.policy.name} ${candidate?.wouldBe}`),
  })
  using client = await openFlowClient(scene.port, headerOf(scene), 'x')
  assert.equal(await client.read('hello x'), 'hello x')
  assert.deepEqual(seen, ['allow next reject'])
})

test('a candidate decides in place of the policy for the share of callers that it is given', async () => {
  for (const [percent, answered] of [
    ['100%', ''],
    ['0.01%', 'hello x'],
  ] as const) {
    const candidate = policyOf({ ...rejecting, mode: { canary: percent } }, 'next')
    await using scene = await openFlowScene({ candidates: new Map([['default', candidate]]) })
    using client = await openFlowClient(scene.port, headerOf(scene), 'x')
    assert.equal(await client.read('hello x'), answered)
  }
})

test('policies and candidates may be replaced between two connections; one that is missing changes nothing', async () => {
  const seen: (string | undefined)[] = []
  await using scene = await openFlowScene({
    watch: (_active, candidate) => void seen.push(candidate?.policy.name),
  })
  scene.gateway.usePolicies(new Map([['default', policyOf()]]), new Map([['default', inShadow]]))
  using first = await openFlowClient(scene.port, headerOf(scene), 'x')
  assert.equal(await first.read('hello x'), 'hello x')
  assert.throws(() => scene.gateway.usePolicies(new Map([['other', rejectsAll]])), {
    code: 'QIP_ENFORCE_ROUTE_INVALID',
  })
  scene.gateway.usePolicies(new Map([['default', rejectsAll]]))
  using second = await openFlowClient(scene.port, headerOf(scene), 'x')
  assert.equal(await second.closed(), '')
  assert.deepEqual(seen, ['next', undefined])
  // A connection that is open was decided about.
  first.socket.write('y')
  assert.equal(await first.read('y'), 'hello xy')
})

test('each side may end before the other, and both hear of it', async () => {
  await using scene = await openFlowScene()
  const socket = connect({ port: scene.port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.write(headerOf(scene))
  socket.write('x')
  await until(() => text === 'hello x')
  const [arrived] = scene.upstream.arrived
  assert.ok(arrived)
  // The upstream echoes no more: it ends its own side, and still takes what comes.
  arrived.socket.unpipe(arrived.socket)
  let taken = ''
  arrived.socket.on('data', (chunk: Buffer) => (taken += chunk.toString('latin1'))).resume()
  const clientHeard = once(socket, 'end')
  arrived.socket.end('bye')
  await clientHeard
  assert.equal(text, 'hello xbye')
  const upstreamHeard = once(arrived.socket, 'end')
  socket.end('after')
  await upstreamHeard
  assert.equal(taken, 'after')
  await until(() => scene.gateway.inFlight === 0)
  assert.deepEqual([scene.refused, scene.cut], [[], []])
})

for (const slow of ['upstream', 'client'] as const) {
  test(`does not take more from one side than goes on to the other while the ${slow} reads nothing`, async () => {
    await using scene = await openFlowScene()
    using client = await openFlowClient(scene.port, headerOf(scene), 'x')
    await client.read('hello x')
    const [arrived] = scene.upstream.arrived
    assert.ok(arrived)
    arrived.socket.unpipe(arrived.socket)
    const [reader, writer] =
      slow === 'upstream' ? [arrived.socket, client.socket] : [client.socket, arrived.socket]
    reader.pause()
    const block = Buffer.alloc(1_048_576)
    const blocks = 128
    let sent = 0
    const beforeBytes = process.memoryUsage().arrayBuffers
    // What the kernel holds on both connections is some megabytes; then writing must stop.
    const write = (): void => {
      while (sent < blocks && writer.write(block)) sent++
    }
    writer.on('drain', write)
    write()
    let quiet = 0
    for (let last = -1; quiet < 10; quiet = sent === last ? quiet + 1 : 0) {
      last = sent
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.ok(sent < blocks / 2, `${sent} of ${blocks} MiB were taken`)
    assert.ok(process.memoryUsage().arrayBuffers - beforeBytes < 32 * 1_048_576)
    let got = 0
    reader.on('data', (chunk: Buffer) => (got += chunk.length))
    reader.resume()
    await until(() => sent === blocks && got >= blocks * block.length)
  })
}

test('half-open connections are cut at the deadline of the header however they drip, and give their places back', async () => {
  await using scene = await openFlowScene({ connectionsMax: 20, timeouts: { headerMs: 200 } })
  const header = headerOf(scene)
  const clients = await Promise.all(Array.from({ length: 20 }, () => openFlowClient(scene.port)))
  const dripping = setInterval(() => {
    for (const [at, { socket }] of clients.entries()) if (at % 2 === 0) socket.write(header.subarray(0, 1))
  }, 20)
  await until(() => scene.gateway.inFlight === 20)
  using over = await openFlowClient(scene.port, header, 'x')
  await over.closed()
  await Promise.all(clients.map((client) => client.closed()))
  clearInterval(dripping)
  assert.deepEqual([...new Set(scene.refused)].toSorted(), ['overloaded', 'proxy_absent', 'proxy_timeout'])
  await until(() => scene.gateway.inFlight === 0)
  using next = await openFlowClient(scene.port, header, 'x')
  assert.equal(await next.read('hello x'), 'hello x')
})

test('a connection in which one side speaks is not idle', async () => {
  await using scene = await openFlowScene({ flow: { idleTimeoutMs: 1_000 } })
  using client = await openFlowClient(scene.port, headerOf(scene), 'x')
  await client.read('hello x')
  scene.upstream.arrived[0]?.socket.unpipe()
  scene.upstream.arrived[0]?.socket.resume()
  for (let i = 0; i < 20; i++) {
    client.socket.write('.')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.deepEqual(scene.cut, [])
  await client.closed()
  assert.deepEqual(scene.cut, ['idle'])
})

test('knows a listed peer by its IPv4 address on a listener for both families, and nobody else', async () => {
  for (const [peers, taken] of [
    [['127.0.0.0/8'], true],
    [['::ffff:127.0.0.0/104'], true],
    [['::1'], false],
    [['fd00::/8', '10.0.0.0/8'], false],
  ] as const) {
    await using scene = await openFlowScene({ flow: { listen: { host: '::', port: 0 }, peers } })
    using client = await openFlowClient(scene.port, headerOf(scene), 'x')
    assert.equal(await client.read('hello x'), taken ? 'hello x' : '', peers.join())
    assert.deepEqual(scene.refused, taken ? [] : ['peer_unlisted'])
  }
})

test('says the addresses that it was told, and none where it was told none', async () => {
  await using scene = await openFlowScene()
  const tlvs = [{ type: proxyTlvTypes.token, value: Buffer.from(scene.token) }]
  const v6 = {
    source: { address: '2001:db8::1', port: 1 },
    destination: { address: '2001:db8::2', port: 65_535 },
  }
  for (const told of [ends, v6, {}]) {
    using client = await openFlowClient(scene.port, formatProxyHeader({ ...told, tlvs }), 'x')
    await client.read('hello x')
    const { header } = scene.upstream.arrived.at(-1) ?? {}
    assert.deepEqual(
      { source: header?.source, destination: header?.destination },
      {
        source: undefined,
        destination: undefined,
        ...told,
      },
    )
  }
})

test('passes on nothing that a peer said: of TLS, of names, of its own', async () => {
  await using scene = await openFlowScene()
  // PP2_TYPE_SSL with a common name below it, ALPN, AUTHORITY, NETNS, and a value of the custom range.
  const subject = Buffer.concat([Buffer.from('0100000000', 'hex'), Buffer.from('2200046576696c', 'hex')])
  const client = await openFlowClient(
    scene.port,
    headerOf(scene, [
      { type: 0x20, value: subject },
      { type: 0x01, value: Buffer.from('h2') },
      { type: 0x02, value: Buffer.from('other.example') },
      { type: 0x30, value: Buffer.from('ns') },
      { type: 0xea, value: Buffer.from('aws') },
    ]),
    'x',
  )
  await client.read('hello x')
  client[Symbol.dispose]()
  const types = scene.upstream.arrived[0]?.header?.tlvs.map(({ type }) => type)
  assert.deepEqual(types, [
    proxyTlvTypes.uniqueId,
    proxyTlvTypes.identifier,
    proxyTlvTypes.tokenDigest,
    proxyTlvTypes.crc32c,
  ])
})

test('takes a header however it is cut into segments, with the first bytes behind it', async () => {
  await using scene = await openFlowScene()
  const bytes = Buffer.concat([headerOf(scene), Buffer.from('payload')])
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(cuts, async (at) => {
      using client = await openFlowClient(scene.port)
      const places = [0, ...at.toSorted((a, b) => a - b), bytes.length]
      for (let i = 1; i < places.length; i++) {
        client.socket.write(bytes.subarray(places[i - 1], places[i]))
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal(await client.read('payload'), 'hello payload')
    }),
    { numRuns: 40 },
  )
  assert.deepEqual(scene.refused, [])
})

test('a header that ends at any byte of it closes the connection, and nothing is asked', async () => {
  await using scene = await openFlowScene()
  const header = headerOf(scene)
  for (let length = 0; length < header.length; length++) {
    const socket = connect({ port: scene.port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.end(header.subarray(0, length))
    socket.resume()
    await once(socket, 'close')
  }
  await until(() => scene.refused.length === header.length)
  assert.deepEqual([...new Set(scene.refused)], ['proxy_truncated'])
  assert.deepEqual([scene.records.length, scene.upstream.arrived.length], [0, 0])
})

const build = Buffer.alloc(32, 5)
type Revocation = Parameters<FlowScene['domain']['revoke']>[0]
const revocations: readonly (readonly [what: string, record: (scene: FlowScene) => Revocation])[] = [
  ['token', ({ digest }) => ({ kind: 'token', value: Buffer.from(digest).toString('hex') })],
  ['caller', ({ domain }) => ({ kind: 'identity', value: domain.web })],
  ['build', () => ({ kind: 'build', value: build.toString('hex') })],
  ['key', ({ domain }) => ({ kind: 'key', value: domain.key('issuer/1').record.key.kid })],
]
for (const [what, record] of revocations) {
  test(`cuts a connection when its ${what} is revoked, and not when a stranger is`, async () => {
    await using scene = await openFlowScene({ claims: { bld: build } })
    using client = await openFlowClient(scene.port, headerOf(scene), 'x')
    await client.read('hello x')
    await scene.domain.advance(60_000)
    await scene.domain.revoke({ kind: 'identity', value: `${scene.domain.td}/stranger` })
    client.socket.write('y')
    assert.equal(await client.read('y'), 'hello xy')
    await scene.domain.revoke(record(scene))
    await client.closed()
    assert.deepEqual(scene.cut, ['revoked'])
  })
}
