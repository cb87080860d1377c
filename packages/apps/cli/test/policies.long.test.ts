import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { type Client, type Edge, openClient, openFleet, type TestFleet, until } from './support/fleet.ts'

const settings = { yaml: 'policies: { authority: [shop] }\n', route: ', policy: shop', threads: 2 }

interface Rule {
  readonly name: string
  readonly when: string
  readonly action: string
  readonly quarantine?: { readonly upstream: string }
}

/** A policy in mode enforce, unless said otherwise. */
function policyText(version: number, rules: readonly Rule[], mode = 'enforce'): string {
  return JSON.stringify({
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'shop', version },
    spec: {
      mode,
      rules,
      default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
    },
  })
}

const closing = (place: string): Rule => ({
  name: `no-${place}`,
  when: `request.path == "/${place}"`,
  action: 'reject',
})

interface Scene {
  readonly fleet: TestFleet
  readonly edge: Edge
  readonly client: Client
  readonly file: string
}

async function openScene(stack: AsyncDisposableStack): Promise<Scene> {
  const folder = await mkdtemp(path.join(tmpdir(), 'qip-policies-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const fleet = await openFleet(stack, { folder, names: ['near'], edge: settings })
  const [edge] = fleet.edges as [Edge]
  return { fleet, edge, client: await openClient(stack, fleet), file: path.join(folder, 'shop.yaml') }
}

async function publish({ fleet, file }: Scene, text: string, ...more: readonly string[]): Promise<void> {
  await writeFile(file, text)
  const { code, stderr } = await fleet.qip('policy', 'publish', file, ...more)
  assert.equal(code, 0, stderr)
}

/** The answers of the gateway, from several connections: every thread of it has its say. */
async function answers({ edge }: Scene, place: string, headers: Record<string, string>): Promise<string> {
  const found = new Set<number>()
  for (let at = 0; at < 12; at++) {
    const response = await fetch(`${edge.url}/${place}`, { headers: { ...headers, connection: 'close' } })
    await response.text()
    found.add(response.status)
  }
  return [...found].join(' ')
}

function isRolledOut({ fleet }: Scene): Promise<void> {
  return until('every member holds the rollout', async () => {
    const { code, stdout } = await fleet.qip('policy', 'status', 'shop', '--json')
    const { members } = JSON.parse(stdout) as { members: readonly unknown[] }
    return code === 0 && members.length === settings.threads
  })
}

test('a gateway takes the policies that the authority signs, in all threads and without a restart, and keeps them while it is away', async () => {
  await using stack = new AsyncDisposableStack()
  const scene = await openScene(stack)
  const headers = await scene.client.headers()
  assert.equal(await answers(scene, 'orders', headers), '200')
  await publish(scene, policyText(1, [closing('closed')]))
  await isRolledOut(scene)
  assert.equal(await answers(scene, 'closed', headers), '403')
  assert.equal(await answers(scene, 'orders', headers), '200')
  await publish(scene, policyText(2, [closing('orders')]), '--activate')
  await isRolledOut(scene)
  assert.equal(await answers(scene, 'closed', headers), '200')
  assert.equal(await answers(scene, 'orders', headers), '403')

  const nowhere = { ...closing('closed'), action: 'quarantine', quarantine: { upstream: 'nowhere' } }
  await publish(scene, policyText(3, [nowhere]), '--activate')
  await until('both threads refuse what names an upstream that is not there', async () => {
    const { code, stdout } = await scene.fleet.qip('policy', 'status', 'shop')
    assert.equal(code, 1)
    return stdout.match(/ 2 +refuses it: .*nowhere/g)?.length === 2
  })
  assert.equal(await answers(scene, 'orders', headers), '403')

  scene.edge.network.cut()
  await scene.edge.restart()
  assert.equal(await answers(scene, 'orders', headers), '403')
  assert.equal(await answers(scene, 'closed', headers), '200')
})
