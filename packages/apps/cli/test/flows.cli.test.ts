import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
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

/** A reference token of `web`, of the real authority. */
async function drawReference({ authority }: QuantumIpNode): Promise<string> {
  const { store } = authority.authority
  const { token } = await createJoinToken(
    { sql: store.sql, clock: systemClock, random: systemRandom, td },
    { sid: web, builds: [], role: 'workload', ttlS: 60 },
  )
  const transport = openTransport({ url: authority.url })
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const session = openSession({ transport, admission })
  const [issued] = await requestTokens(session, { audience: database, form: 'reference' })
  session.close()
  await transport.close()
  return issued?.token ?? ''
}

function ask(port: number, token: string): { readonly socket: Socket; readonly text: Promise<string> } {
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
  const text = socket
    .setEncoding('latin1')
    .toArray()
    .then((parts: string[]) => parts.join(''))
  return { socket, text }
}

test('a flow of the configuration verifies what the authority issued, records it, and refuses what stands for nothing', async () => {
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
services: [{ id: ${database}, tier: critical, stage: enforced }]
admission: { requireAttestation: off, rules: [{ service: "${td}/ns/prod/sa/*", builder: 'https://ci.acme.example/release' }] }
store: { sqlite: ./data }
authority: { listen: 127.0.0.1:0, socket: ./authority.sock }
telemetry: { decisions: { verifiedShare: 100% } }
gateway:
  name: edge-1
  listen: 127.0.0.1:0
  flows:
    - name: database
      listen: 127.0.0.1:${port}
      service: ${database}
      upstream: 127.0.0.1:${(upstream.address() as AddressInfo).port}
      peers: [127.0.0.1]
`,
  )
  const node = await openNode(await readConfigFile(file), () => undefined)
  try {
    const token = await drawReference(node)
    assert.equal(await ask(port, token).text, formatIdentifier(quantumIpIdentifier(web)))
    assert.equal(
      await ask(port, `${token.slice(0, -1)}${token.endsWith('A') ? 'E' : 'A'}`).text.catch(() => ''),
      '',
    )
    const newest = (await node.gateway?.newest(10)) ?? []
    const told = newest.map(({ record }) => `${record.action} ${record.service} ${record.subject ?? '-'}`)
    assert.equal(told.length, 2)
    assert.ok(told.includes(`allow ${database} ${web}`), told.join('\n'))
  } finally {
    await node.close()
    upstream.close()
    await rm(folder, { recursive: true, force: true })
  }
})
