import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { test } from 'node:test'
import { formatProxyHeader, flowTlvs, proxyTlvTypes } from '../src/index.ts'
import { type FlowScene, type FlowSceneOptions, openFlowClient, openFlowScene } from './support/flow-scene.ts'
import { policyOf } from './support/scene.ts'

const ends = {
  source: { address: '192.0.2.7', port: 40_000 },
  destination: { address: '192.0.2.8', port: 5_432 },
}

function headerOf(scene: FlowScene, token = scene.token): Uint8Array {
  return formatProxyHeader({ ...ends, tlvs: [{ type: proxyTlvTypes.token, value: Buffer.from(token) }] })
}

test('verifies the token of a connection, passes its bytes, and says behind it who the caller is', async () => {
  await using scene = await openFlowScene()
  using client = await openFlowClient(scene.port, headerOf(scene), 'SELECT 1')
  assert.equal(await client.read('SELECT 1'), 'hello SELECT 1')
  const [arrived] = scene.upstream.arrived
  assert.deepEqual(arrived?.header?.source, ends.source)
  assert.deepEqual(arrived.header.destination, ends.destination)
  assert.deepEqual(Buffer.from(arrived.names?.identifier ?? []), Buffer.from(scene.identifier))
  assert.deepEqual(Buffer.from(arrived.names?.tokenDigest ?? []), Buffer.from(scene.digest))
  assert.equal(arrived.names?.token, undefined)
  const [record] = scene.records
  assert.deepEqual([record?.reason, record?.action, record?.subject], ['ok', 'allow', scene.domain.web])
})

test('takes a header that comes byte by byte', async () => {
  await using scene = await openFlowScene()
  using client = await openFlowClient(scene.port)
  for (const byte of headerOf(scene)) {
    client.socket.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.socket.write('x')
  assert.equal(await client.read('x'), 'hello x')
})

test('says nothing to an upstream that is to be told nothing', async () => {
  await using scene = await openFlowScene({ flow: { send: 'none' } })
  using client = await openFlowClient(scene.port, headerOf(scene), 'PING')
  assert.equal(await client.read('PING'), 'hello PING')
  assert.equal(scene.upstream.arrived[0]?.header, undefined)
})

test('passes megabytes through slow readers, and half-closed connections', async () => {
  await using scene = await openFlowScene()
  const client = await openFlowClient(scene.port, headerOf(scene))
  const much = 'q'.repeat(3_000_000)
  client.socket.pause()
  client.socket.end(much)
  setTimeout(() => client.socket.resume(), 50)
  assert.equal((await client.closed()).length, 'hello '.length + much.length)
})

interface Case {
  readonly title: string
  readonly options?: FlowSceneOptions
  readonly send: (scene: FlowScene) => Uint8Array | string
  /** Ends its side behind it. */
  readonly ends?: boolean
  readonly refused?: string
  readonly reason?: string
}

const noDatabase = Buffer.alloc(33, 'qipr1.AAAAAAAAAAAAAAAAAAAAAAAAAAA')
const cases: readonly Case[] = [
  {
    title: 'a stranger',
    options: { flow: { peers: ['10.0.0.0/8'] } },
    send: headerOf,
    refused: 'peer_unlisted',
  },
  { title: 'version 1', send: () => 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', refused: 'proxy_version' },
  { title: 'no header', send: () => 'SELECT 1', refused: 'proxy_absent' },
  {
    title: 'a header that ends early',
    send: (scene) => headerOf(scene).subarray(0, 40),
    ends: true,
    refused: 'proxy_truncated',
  },
  { title: 'half of a header', send: (scene) => headerOf(scene).subarray(0, 40), refused: 'proxy_timeout' },
  {
    title: 'a header that is too long',
    send: () => Buffer.from('0d0a0d0a000d0a515549540a21110801', 'hex'),
    refused: 'proxy_oversize',
  },
  {
    title: 'a wrong CRC',
    send: (scene) => Uint8Array.from(headerOf(scene)).fill(0, -4),
    refused: 'proxy_crc',
  },
  {
    title: 'names that contradict the token',
    send: (scene) =>
      formatProxyHeader({
        ...ends,
        tlvs: [
          { type: proxyTlvTypes.token, value: Buffer.from(scene.token) },
          ...flowTlvs({
            identifier: Buffer.from('fd000000000000000000000000000001', 'hex'),
            tokenDigest: scene.digest,
          }),
        ],
      }),
    refused: 'names_contradict',
  },
  {
    title: 'names that are malformed',
    send: () =>
      formatProxyHeader({ ...ends, tlvs: [{ type: proxyTlvTypes.identifier, value: Buffer.alloc(16) }] }),
    refused: 'names_malformed',
  },
  {
    title: 'names alone, which prove nothing',
    send: (scene) =>
      formatProxyHeader({
        ...ends,
        tlvs: flowTlvs({ identifier: scene.identifier, tokenDigest: scene.digest }),
      }),
    reason: 'token_absent',
  },
  {
    title: 'a reference that stands for nothing',
    send: () => formatProxyHeader({ ...ends, tlvs: [{ type: proxyTlvTypes.token, value: noDatabase }] }),
    reason: 'key_unknown',
  },
  {
    title: 'a token for another service',
    options: { flow: { service: 'spiffe://acme.example/ns/prod/sa/other' } },
    send: headerOf,
    reason: 'audience_mismatch',
  },
  {
    title: 'references where they are not accepted',
    options: { flow: { accept: {} } },
    send: headerOf,
    reason: 'token_malformed',
  },
]
for (const { title, options, send, ends: endsSide, refused, reason } of cases) {
  test(`closes a connection with ${title}, and nothing of it reaches the upstream`, async () => {
    await using scene = await openFlowScene(options)
    using client = await openFlowClient(scene.port, send(scene))
    if (endsSide === true) client.socket.end()
    assert.equal(await client.closed(), '')
    assert.deepEqual(scene.refused, refused === undefined ? [] : [refused])
    if (reason !== undefined)
      assert.deepEqual(
        scene.records.map((record) => record.reason),
        [reason],
      )
    assert.deepEqual([scene.upstream.arrived.length, scene.gateway.inFlight], [0, 0])
  })
}

test('answers the health check of a proxy by being there', async () => {
  await using scene = await openFlowScene()
  using client = await openFlowClient(scene.port, Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'))
  await client.closed()
  assert.deepEqual([scene.refused, scene.records], [[], []])
})

test('sends quarantined connections elsewhere, and closes them where there is nowhere', async () => {
  const policy = policyOf({
    rules: [
      {
        name: 'apart',
        when: 'verdict.status == "verified"',
        action: 'quarantine',
        reasons: ['ok', 'ok_shallow'],
      },
    ],
  })
  await using scene = await openFlowScene({ policy })
  using client = await openFlowClient(scene.port, headerOf(scene), 'x')
  assert.equal(await client.read('x'), 'hello x')
  assert.deepEqual([scene.upstream.arrived.length, scene.quarantine.arrived.length], [0, 1])
  await using closed = await openFlowScene({ policy, flow: { quarantineUpstream: undefined } })
  using other = await openFlowClient(closed.port, headerOf(closed), 'x')
  assert.equal(await other.closed(), '')
  assert.deepEqual(closed.refused, ['quarantine_closed'])
})

test('cuts a connection when its caller is revoked, and when its token ends', async () => {
  await using scene = await openFlowScene()
  using client = await openFlowClient(scene.port, headerOf(scene), 'x')
  await client.read('hello x')
  await scene.domain.revoke({ kind: 'identity', value: scene.domain.web })
  await client.closed()
  assert.deepEqual(scene.cut, ['revoked'])

  await using other = await openFlowScene()
  using second = await openFlowClient(other.port, headerOf(other), 'x')
  await second.read('hello x')
  other.domain.clock.advance(400_000)
  await second.closed()
  assert.deepEqual(other.cut, ['ended'])
})

test('lets everything through in monitor mode, names nobody, and cuts nothing', async () => {
  const policy = policyOf({ mode: 'monitor' })
  await using scene = await openFlowScene({ policy })
  using client = await openFlowClient(scene.port, formatProxyHeader({ ...ends, tlvs: [] }), 'x')
  assert.equal(await client.read('x'), 'hello x')
  assert.equal(scene.upstream.arrived[0]?.names?.identifier, undefined)
  assert.equal(scene.records[0]?.reason, 'token_absent')
})

test('closes a connection whose upstream is away, and those that are idle', async () => {
  await using scene = await openFlowScene({ flow: { upstream: { host: '127.0.0.1', port: 1 } } })
  using client = await openFlowClient(scene.port, headerOf(scene), 'x')
  await client.closed()
  assert.deepEqual(scene.refused, ['upstream_unreachable'])
  await using idle = await openFlowScene({ timeouts: { idleMs: 50 } })
  using silent = await openFlowClient(idle.port, headerOf(idle), 'x')
  await silent.closed()
  assert.deepEqual(idle.cut, ['idle'])
})

test('takes a flow without peers, or with a policy that is not there, for a mistake', async () => {
  await assert.rejects(openFlowScene({ flow: { peers: [] } }), { code: 'QIP_ENFORCE_ROUTE_INVALID' })
  await assert.rejects(openFlowScene({ flow: { policy: 'defalt' } }), { code: 'QIP_ENFORCE_ROUTE_INVALID' })
  await assert.rejects(openFlowScene({ flow: { peers: ['db'] } }), { code: 'QIP_ENFORCE_OPTION_INVALID' })
})

test('takes no more connections than it may', async () => {
  await using scene = await openFlowScene({ connectionsMax: 1 })
  using first = await openFlowClient(scene.port, headerOf(scene), 'x')
  await first.read('hello x')
  using second = await openFlowClient(scene.port, headerOf(scene), 'x')
  await second.closed()
  assert.deepEqual(scene.refused, ['overloaded'])
  first.socket.end()
  await once(first.socket, 'close')
})
