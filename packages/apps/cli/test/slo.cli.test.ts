import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfigFile } from '@quantum-ip/http'
import { tracestateHint } from '@quantum-ip/token'
import { openNode, type QuantumIpNode } from '../src/up/node.ts'
import { run } from './support/run.ts'

// By commands, against a real node: authority and gateway in one process.

const td = 'spiffe://acme.example'
const shop = `${td}/ns/prod/sa/shop`
let folder = ''
let file = ''
let node: QuantumIpNode
/** As a caller sends it whose proxy takes the token off. */
const stripped = { headers: { tracestate: `qip=${tracestateHint(shop)}` } }
const upstream = createServer((_request, response) => response.end('ok'))

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-slo-'))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const { port } = upstream.address() as AddressInfo
  file = join(folder, 'quantum-ip.yaml')
  await writeFile(
    file,
    `trustDomain: ${td}
services:
  - { id: ${shop}, owner: team-shop, tier: critical, stage: enforced }
  - { id: ${td}/ns/prod/sa/pay, stage: observed }
store: { sqlite: ./data }
authority: { listen: 127.0.0.1:0, socket: ./authority.sock }
gateway:
  name: edge-1
  listen: 127.0.0.1:0
  threads: 1
  routes: [{ service: ${shop}, upstream: http://127.0.0.1:${port} }]
`,
  )
  node = await open()
})

async function open(): Promise<QuantumIpNode> {
  return openNode(await readConfigFile(file), () => undefined)
}

after(async () => {
  await node.close()
  upstream.close()
  await rm(folder, { recursive: true })
})

interface Levels {
  readonly source: string
  readonly sinceMs: number
  readonly missing: readonly string[]
  readonly levels: readonly {
    readonly id: string
    readonly service: string | null
    readonly total: number
    readonly good: number | null
    readonly burn: Readonly<Record<string, number | null>>
  }[]
}

const slo = (...args: string[]) => run(['slo', '--config', file, ...args])
async function levels(...args: string[]): Promise<Levels> {
  const answer = await slo('--json', ...args)
  assert.equal(answer.code, 0, answer.stderr)
  return answer.json() as unknown as Levels
}

test('counts what a gateway did, of enforced services, once though two were asked', async () => {
  const url = node.gateway?.url ?? ''
  for (let nth = 0; nth < 4; nth++) await fetch(url, stripped)
  for (let nth = 0; nth < 3; nth++) await fetch(url)
  const counted = await levels()
  assert.equal(counted.source, 'enforcement point and authority')
  assert.deepEqual(counted.missing, [])
  const of = (id: string) => counted.levels.find((level) => level.id === id)
  assert.equal(counted.levels.filter(({ service }) => service === shop).length, 4)
  // A token that was taken off counts, none at all is anybody's.
  assert.deepEqual([of('M1')?.total, of('M1')?.good], [4, 0])
  assert.deepEqual([of('M2')?.total, of('M2')?.good], [7, 1])
  assert.deepEqual([of('M6')?.good, of('M6')?.burn['1h']], [1, 0])
})

test('shows budgets and burn for people, and only the services that were asked for', async () => {
  const { code, stdout, stderr } = await slo('--service', shop)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /counted by enforcement point and authority, since /)
  assert.match(
    stdout,
    /M1 +verification success +99 % +0 % of 4 +█+░* +[\d.> ]+ % +100x +100x +used up in .*, page/,
  )
  assert.doesNotMatch(stdout, /everything/)
  const unknown = await slo('--service', `${td}/ns/prod/sa/pay`)
  assert.notEqual(unknown.code, 0)
  assert.match(unknown.stderr, /qip services/)
})

test('goes on counting after a restart', async () => {
  const before1 = await levels()
  await node.close()
  node = await open()
  await fetch(node.gateway?.url ?? '', stripped)
  const after1 = await levels()
  assert.equal(after1.sinceMs, before1.sinceMs)
  assert.equal(after1.levels.find(({ id }) => id === 'M1')?.total, 5)
})

test('says what it could not ask, and what to do where nothing can be asked', async () => {
  const other = join(folder, 'other.yaml')
  await writeFile(
    other,
    `trustDomain: ${td}\nstore: { sqlite: ./none }\nauthority: { listen: 127.0.0.1:1, socket: ./none.sock }\ntrust: { snapshots: ./none }\n`,
  )
  const { code, stderr } = await run(['slo', '--config', other])
  assert.notEqual(code, 0)
  assert.match(stderr, /--prometheus/)
  const wrong = await run(['slo', '--prometheus', 'ftp://x'])
  assert.match(wrong.stderr, /http:\/\/127\.0\.0\.1:9090/)
})
