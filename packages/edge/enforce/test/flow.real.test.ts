import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type Component, needComponent, openComponent } from '../../../../scripts/real-components.ts'
import { guideBlock } from './support/guides.ts'
import { type FlowIdentity, formatProxyHeader, proxyTlvTypes } from '../src/index.ts'
import { type FlowScene, openFlowClient, openFlowScene, openFlowUpstream } from './support/flow-scene.ts'

const envoy = await needComponent('envoy')
const haproxy = await needComponent('haproxy')
const nginx = await needComponent('nginx')

const ends = {
  source: { address: '192.0.2.7', port: 40_000 },
  destination: { address: '192.0.2.8', port: 5_432 },
}

function headerOf({ token }: FlowScene): Uint8Array {
  return formatProxyHeader({ ...ends, tlvs: [{ type: proxyTlvTypes.token, value: Buffer.from(token) }] })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

interface Proxy extends AsyncDisposable {
  readonly port: number
}

async function openProxy(
  component: Component,
  port: number,
  plan: { readonly config: string; readonly args: (file: string) => readonly string[] },
): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-flow-'))
  const file = join(folder, 'proxy.yaml')
  await writeFile(file, plan.config)
  const running = await openComponent(component, plan.args(file), { isReady: () => listens(port) })
  return {
    port,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const quiet = ['--concurrency', '1', '--log-level', 'error', '--use-dynamic-base-id']
const passed = 'pass_through_tlvs: { match_type: INCLUDE, tlv_type: [5, 225, 226, 227] }'

/** The Envoy of the guide before an upstream, with `changed` parts of its configuration. */
async function openEnvoyFlow(
  upstream: number,
  changed: { readonly [written: string]: string } = {},
): Promise<Proxy> {
  const port = await freePort()
  const config = guideBlock('flows.md', 'yaml envoy', {
    'address: 10.0.0.4, port_value: 5432': `address: 127.0.0.1, port_value: ${port}`,
    'address: 10.0.0.5, port_value: 5432': `address: 127.0.0.1, port_value: ${upstream}`,
    ...changed,
  })
  return openProxy(envoy, port, { config, args: (file) => ['-c', file, ...quiet] })
}

/** The HAProxy of the guide before an upstream. */
async function openHaproxyFlow(upstream: number): Promise<Proxy> {
  const port = await freePort()
  const config = guideBlock('flows.md', 'haproxy', {
    '10.0.0.9:5432': `127.0.0.1:${port}`,
    '10.0.0.10:5432': `127.0.0.1:${upstream}`,
  })
  return openProxy(haproxy, port, { config, args: (file) => ['-db', '-f', file] })
}

function assertNames(names: FlowIdentity | undefined, scene: FlowScene): void {
  assert.deepEqual(Buffer.from(names?.identifier ?? []), Buffer.from(scene.identifier))
  assert.deepEqual(Buffer.from(names?.tokenDigest ?? []), Buffer.from(scene.digest))
  assert.equal(names?.token, undefined)
}

test(
  'an Envoy carries a token to the gateway, and another one what the gateway found out',
  { skip: envoy.skip },
  async (t) => {
    t.diagnostic(envoy.version)
    await using upstream = await openFlowUpstream()
    await using behind = await openEnvoyFlow(upstream.port, { '226, 227': '226' })
    await using scene = await openFlowScene({ flow: { upstream: { host: '127.0.0.1', port: behind.port } } })
    await using front = await openEnvoyFlow(scene.port)
    using client = await openFlowClient(front.port, headerOf(scene), 'SELECT 1')
    assert.equal(await client.read('SELECT 1'), 'hello SELECT 1')
    const [record] = scene.records
    assert.deepEqual([record?.reason, record?.subject], ['ok', scene.domain.web])
    const { header, names } = upstream.arrived.find((each) => each.header !== undefined) ?? {}
    assert.deepEqual(header?.source, ends.source)
    assertNames(names, scene)
    await scene.domain.revoke({ kind: 'identity', value: scene.domain.web })
    await client.closed()
    assert.deepEqual(scene.cut, ['revoked'])
  },
)

test('names that an Envoy writes by itself are read, and prove nothing', { skip: envoy.skip }, async () => {
  await using scene = await openFlowScene()
  // It reads no header here: what it says, it says by itself.
  const value = Buffer.from(scene.identifier).toString('base64')
  const changed = {
    [`      listener_filters:
        - name: envoy.filters.listener.proxy_protocol
          typed_config:
            '@type': type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol
            ${passed}
`]: '',
    [passed]: `added_tlvs: [{ type: 225, value: ${value} }]`,
  }
  await using upstream = await openFlowUpstream()
  await using direct = await openEnvoyFlow(upstream.port, changed)
  using told = await openFlowClient(direct.port, 'x')
  assert.equal(await told.read('hello x'), 'hello x')
  const { names } = upstream.arrived.find((each) => each.header !== undefined) ?? {}
  assert.deepEqual(Buffer.from(names?.identifier ?? []), Buffer.from(scene.identifier))
  await using front = await openEnvoyFlow(scene.port, changed)
  using client = await openFlowClient(front.port, 'x')
  assert.equal(await client.closed(), '')
  assert.equal(scene.upstream.arrived.length, 0)
  assert.deepEqual([...new Set(scene.records.map(({ reason }) => reason))], ['token_absent'])
})

test(
  'an HAProxy of Debian carries the names behind the gateway in the standard unique ID',
  { skip: haproxy.skip },
  async (t) => {
    t.diagnostic(haproxy.version)
    await using upstream = await openFlowUpstream()
    await using behind = await openHaproxyFlow(upstream.port)
    await using scene = await openFlowScene({ flow: { upstream: { host: '127.0.0.1', port: behind.port } } })
    using client = await openFlowClient(scene.port, headerOf(scene), 'SELECT 1')
    assert.equal(await client.read('SELECT 1'), 'hello SELECT 1')
    const { header, names } = upstream.arrived.find((each) => each.header !== undefined) ?? {}
    assert.deepEqual(header?.source, ends.source)
    assert.ok(header.tlvs.some(({ type }) => type === proxyTlvTypes.crc32c))
    assertNames(names, scene)
  },
)

test(
  'an HAProxy before the gateway brings names only, which are no token',
  { skip: haproxy.skip },
  async () => {
    await using second = await openFlowScene()
    await using front = await openHaproxyFlow(second.port)
    await using first = await openFlowScene({ flow: { upstream: { host: '127.0.0.1', port: front.port } } })
    using client = await openFlowClient(first.port, headerOf(first), 'x')
    assert.equal(await client.closed(), '')
    assert.deepEqual(
      second.records.map(({ reason }) => reason),
      ['token_absent'],
    )
    assert.equal(second.upstream.arrived.length, 0)
  },
)

test('an HAProxy refuses a header of ours whose CRC is wrong', { skip: haproxy.skip }, async () => {
  await using upstream = await openFlowUpstream()
  await using front = await openHaproxyFlow(upstream.port)
  const sound = formatProxyHeader({ ...ends, tlvs: [] })
  using good = await openFlowClient(front.port, sound, 'x')
  assert.equal(await good.read('hello x'), 'hello x')
  const before = upstream.arrived.length
  using bad = await openFlowClient(front.port, Uint8Array.from(sound).fill(0, -4), 'x')
  assert.equal(await bad.closed(), '')
  assert.equal(upstream.arrived.length, before)
})

/** An nginx that takes connections with a header only, and answers whom they are from. */
async function openNginxFlow(): Promise<Proxy> {
  const port = await freePort()
  const config = `daemon off; pid nginx.pid; error_log stderr error;
events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:${port} proxy_protocol;
    return 200 "from $proxy_protocol_addr:$proxy_protocol_port to $proxy_protocol_server_addr:$proxy_protocol_server_port\n";
  }
}
`
  return openProxy(nginx, port, { config, args: (file) => ['-p', dirname(file), '-c', file] })
}

test('an nginx of Debian reads the addresses of the gateway’s header', { skip: nginx.skip }, async (t) => {
  t.diagnostic(nginx.version)
  await using behind = await openNginxFlow()
  await using scene = await openFlowScene({ flow: { upstream: { host: '127.0.0.1', port: behind.port } } })
  const request = 'GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n'
  using client = await openFlowClient(scene.port, headerOf(scene), request)
  const told = 'from 192.0.2.7:40000 to 192.0.2.8:5432'
  assert.ok((await client.closed()).includes(told), client.text)
})
