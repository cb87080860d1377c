import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { createJoinToken } from '@quantum-ip/authority'
import { admit, openSession, openTransport, requestTokens } from '@quantum-ip/client'
import { formatProxyHeader, proxyTlvTypes, readFlowIdentity, readProxyHeader } from '@quantum-ip/enforce'
import { readConfigFile } from '@quantum-ip/http'
import { formatIdentifier, quantumIpIdentifier } from '@quantum-ip/token'
import { openNode, type QuantumIpNode } from '../src/up/node.ts'

const td = 'spiffe://acme.example'
const database = `${td}/ns/prod/sa/database`
const web = `${td}/ns/prod/sa/web`

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Reference tokens of `web`, of the real authority. */
async function drawReferences(
  { authority }: QuantumIpNode,
  kind: { readonly count: number; readonly oneTime: boolean },
): Promise<readonly string[]> {
  const { store } = authority.authority
  const { token } = await createJoinToken(
    { sql: store.sql, clock: systemClock, random: systemRandom, td },
    { sid: web, builds: [], role: 'workload', ttlS: 60 },
  )
  const transport = openTransport({ url: authority.url })
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const session = openSession({ transport, admission })
  const asked = { audience: database, form: 'reference', oneTime: kind.oneTime } as const
  const issued = await requestTokens(session, { ...asked, count: kind.count })
  session.close()
  await transport.close()
  return issued.map((each) => each.token)
}

/** What the upstream of a flow answers to a connection with this token; empty where it was closed. */
async function ask(port: number, token: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  const source = { address: '192.0.2.7', port: 40_000 }
  const destination = { address: '192.0.2.8', port }
  socket.write(
    formatProxyHeader({
      source,
      destination,
      tlvs: [{ type: proxyTlvTypes.token, value: Buffer.from(token) }],
    }),
  )
  socket.end('SELECT 1')
  const parts = socket.setEncoding('latin1').toArray() as Promise<string[]>
  return parts.then(
    (all) => all.join(''),
    () => '',
  )
}

/** The configuration of docs/guides/flows.md, with other addresses. */
function guideFlow(places: Readonly<Record<string, string>>): string {
  const guide = readFileSync(new URL('../../../../docs/guides/flows.md', import.meta.url), 'utf8')
  const block = /^```yaml quantum-ip\n([\s\S]*?)^```$/m.exec(guide)?.[1] ?? ''
  for (const written of Object.keys(places)) assert.ok(block.includes(written), written)
  return Object.entries(places).reduce((text, [written, actual]) => text.replace(written, actual), block)
}

interface FlowNode extends AsyncDisposable {
  readonly node: QuantumIpNode
  readonly port: number
}

/** Authority and gateway with a flow, before an upstream that says who a connection is from. */
async function openFlowNode(threads: number): Promise<FlowNode> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-flows-'))
  const upstream = createServer((socket) => {
    socket.once('data', (first: Buffer) => {
      const read = readProxyHeader(first)
      const names = read.kind === 'header' ? readFlowIdentity(read.header.tlvs) : undefined
      socket.end(names?.identifier === undefined ? 'nobody' : formatIdentifier(names.identifier))
    })
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const port = await freePort()
  const file = join(folder, 'quantum-ip.yaml')
  await writeFile(
    file,
    `trustDomain: ${td}
admission: { requireAttestation: off, rules: [{ service: "${td}/ns/prod/sa/*", builder: 'https://ci.acme.example/release' }] }
store: { sqlite: ./data }
authority: { listen: 127.0.0.1:0, socket: ./authority.sock }
telemetry: { decisions: { verifiedShare: 100% } }
${guideFlow({
  'gateway:\n': `gateway:\n  name: edge-1\n  listen: 127.0.0.1:0\n  threads: ${threads}\n`,
  '10.0.0.5:5432': `127.0.0.1:${port}`,
  '10.0.0.9:5432': `127.0.0.1:${(upstream.address() as AddressInfo).port}`,
  '10.0.0.0/24': '127.0.0.1',
  // The built-in one asks for no file.
  '      policy: default\n': '',
})}`,
  )
  const node = await openNode(await readConfigFile(file), () => undefined)
  return {
    node,
    port,
    async [Symbol.asyncDispose]() {
      await node.close()
      upstream.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const caller = formatIdentifier(quantumIpIdentifier(web))

test('a flow of the configuration verifies what the authority issued, records it, and refuses what stands for nothing', async () => {
  await using opened = await openFlowNode(1)
  const { node, port } = opened
  const [token = ''] = await drawReferences(node, { count: 1, oneTime: false })
  assert.equal(await ask(port, token), caller)
  assert.equal(await ask(port, `${token.slice(0, -1)}${token.endsWith('A') ? 'E' : 'A'}`), '')
  const newest = (await node.gateway?.newest(10)) ?? []
  const told = newest.map(({ record }) => `${record.action} ${record.service} ${record.subject ?? '-'}`)
  assert.equal(told.length, 2)
  assert.ok(told.includes(`allow ${database} ${web}`), told.join('\n'))
})

test('connections that are closed before a verdict are counted, by service and cause', async () => {
  await using opened = await openFlowNode(1)
  const { node, port } = opened
  for (const bytes of ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n', 'SELECT 1', 'SELECT 1']) {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.resume().end(bytes)
    await once(socket, 'close')
  }
  const page = await (await fetch(`${node.authority.url}/metrics`)).text()
  const lines = page.split('\n').filter((line) => /^quantum_ip_flows_(?!.*\b0$)/.test(line))
  const labels = `enforcement_point="edge-1",service="${database}"`
  assert.deepEqual(lines.toSorted(), [
    `quantum_ip_flows_refused_total{${labels},cause="proxy_absent"} 2`,
    `quantum_ip_flows_refused_total{${labels},cause="proxy_version"} 1`,
  ])
})

test(
  'a one-time token opens exactly one connection, over threads that share the port',
  { skip: process.platform === 'linux' ? false : 'threads share a port on Linux and BSD only' },
  async () => {
    await using opened = await openFlowNode(2)
    const { node, port } = opened
    const tokens = await drawReferences(node, { count: 20, oneTime: true })
    const answers = await Promise.all(
      tokens.map((token) => Promise.all(Array.from({ length: 4 }, () => ask(port, token)))),
    )
    for (const each of answers) assert.deepEqual(each.toSorted(), ['', '', '', caller])
    const newest = (await node.gateway?.newest(100)) ?? []
    const reasons = newest.map(({ record }) => record.reason)
    assert.equal(reasons.filter((reason) => reason === 'token_replayed').length, 3 * tokens.length)
    const looked = (await node.gateway?.status())?.map(({ headHits }) => Number(headHits)) ?? []
    assert.ok(looked.length === 2 && looked.every((count) => count > 0), `both decided: ${looked.join(', ')}`)
  },
)
