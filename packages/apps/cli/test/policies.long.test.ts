import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { inCanary } from '@quantum-ip/policy'
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

/** The status of an answer. On a busy machine the gateway sheds load; what it says of a policy is asked again then. */
async function statusAt(edge: Edge, place: string, headers: Record<string, string>): Promise<number> {
  for (let tries = 1; ; tries++) {
    const response = await fetch(`${edge.url}/${place}`, { headers })
    await response.text()
    if (response.status !== 503 || tries === 30) return response.status
    await sleep(1_000)
  }
}

/** The answers of the gateway, from several connections: every thread of it has its say. */
async function answers({ edge }: Scene, place: string, headers: Record<string, string>): Promise<string> {
  const found = new Set<number>()
  for (let at = 0; at < 12; at++) {
    found.add(await statusAt(edge, place, { ...headers, connection: 'close' }))
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

function isInside(name: string): boolean {
  return inCanary(50, `identity spiffe://acme.example/ns/prod/sa/${name}`, 'shop')
}

/** Two workloads: one of those for whom a canary of 50 % is carried out, and one of the others. */
function namesForHalf(): { readonly inside: string; readonly outside: string } {
  const names = Array.from({ length: 64 }, (_, at) => `client-${at}`)
  const inside = names.find((name) => isInside(name))
  const outside = names.find((name) => !isInside(name))
  assert.ok(inside !== undefined && outside !== undefined)
  return { inside, outside }
}

interface Status {
  readonly rollout: { readonly active: { readonly version: number; readonly mode?: string } }
  readonly counts: {
    readonly requests: number
    readonly rejected: number
    readonly differences: readonly Readonly<Record<string, unknown>>[]
  }
  readonly promotions: readonly { readonly outcome?: string; readonly detail?: string }[]
}

async function statusOf({ fleet }: Scene): Promise<Status> {
  return JSON.parse((await fleet.qip('policy', 'status', 'shop', '--json')).stdout) as Status
}

/** Calls all the time, until it is stopped; says which answers there were. */
function keepCalling(scene: Scene, clients: readonly Client[]): () => Promise<ReadonlySet<number>> {
  const found = new Set<number>()
  const over = new AbortController()
  const calling = (async () => {
    while (!over.signal.aborted) {
      for (const client of clients) {
        found.add(await statusAt(scene.edge, 'orders', await client.headers()))
      }
    }
  })()
  return async () => {
    over.abort()
    await calling
    return found
  }
}

test('a bad candidate shows its differences in shadow and is rolled back in its canary; a good one is enforced', async () => {
  await using stack = new AsyncDisposableStack()
  const scene = await openScene(stack)
  const { inside, outside } = namesForHalf()
  const clients = [
    await openClient(stack, scene.fleet, inside),
    await openClient(stack, scene.fleet, outside),
  ] as const
  await publish(scene, policyText(1, []))
  await isRolledOut(scene)
  await publish(scene, policyText(2, [closing('orders')]))
  await isRolledOut(scene)

  const shadowed = keepCalling(scene, clients)
  await until('both callers show as those who would be rejected', async () => {
    const { counts } = await statusOf(scene)
    return counts.differences.length === 2
  })
  assert.deepEqual([...(await shadowed())], [200])
  const told = await scene.fleet.qip('policy', 'status', 'shop')
  assert.match(told.stdout, /2 callers would be treated otherwise/)
  assert.match(told.stdout, new RegExp(`${inside} +no-orders +allow +reject +\\d+`))

  const promotes = (...more: readonly string[]) =>
    scene.fleet.qip(
      'policy',
      'promote',
      'shop',
      '--steps',
      '50%',
      '--soak',
      '1s',
      '--min-requests',
      '20',
      ...more,
    )
  const calling = keepCalling(scene, clients)
  const bad = await promotes()
  assert.equal(bad.code, 1, bad.stderr)
  assert.match(bad.stdout, /rolled back shop version 2: \d+ of \d+ requests of verified callers rejected/)
  assert.match(bad.stdout, new RegExp(`${inside} +no-orders +allow +reject`))
  assert.doesNotMatch(bad.stdout, new RegExp(`${outside} +no-orders`))
  await isRolledOut(scene)
  assert.deepEqual(
    [...(await calling())].sort((a, b) => a - b),
    [200, 403],
  )
  const after = await statusOf(scene)
  assert.deepEqual([after.rollout.active.version, after.promotions[0]?.outcome], [1, 'rolled-back'])
  assert.equal(await answers(scene, 'orders', await clients[0].headers()), '200')

  await publish(scene, policyText(3, [closing('closed')]))
  const goodCalls = keepCalling(scene, clients)
  const good = await promotes()
  assert.equal(good.code, 0, good.stdout + good.stderr)
  assert.deepEqual([...(await goodCalls())], [200])
  const { rollout } = await statusOf(scene)
  assert.deepEqual([rollout.active.version, rollout.active.mode], [3, 'enforce'])
  await isRolledOut(scene)
  assert.equal(await answers(scene, 'closed', await clients[1].headers()), '403')

  const back = await scene.fleet.qip('policy', 'rollback', 'shop', '--reason', 'test')
  assert.equal(back.code, 0, back.stderr)
  assert.match(back.stdout, /version 1 is in force/)
  const history = await scene.fleet.qip('policy', 'history', 'shop', '--verify')
  assert.equal(history.code, 0, history.stdout + history.stderr)
  assert.match(
    history.stdout,
    /verified \d+ rollouts and 3 texts, one chain from the signed state; root keys/,
  )
  assert.match(history.stdout, /rollback +version 1 .*\n.* enforce +version 3, enforce/)
})

test('an exception lets one caller through at once, as far as the policy is carried out, and each use is recorded', async () => {
  await using stack = new AsyncDisposableStack()
  const scene = await openScene(stack)
  const { inside, outside } = namesForHalf()
  const [excepted, other] = [
    await openClient(stack, scene.fleet, inside),
    await openClient(stack, scene.fleet, outside),
  ]
  await publish(scene, policyText(1, [closing('orders')]))
  await isRolledOut(scene)
  assert.equal(await answers(scene, 'orders', await excepted.headers()), '403')
  const sid = `spiffe://acme.example/ns/prod/sa/${inside}`
  const who = ['--service', sid, '--owner', 'team-shop', '--reason', 'CHG-7']
  const done = await scene.fleet.qip('policy', 'except', 'shop', ...who, '--until', '4h', '--name', 'cutover')
  assert.equal(done.code, 0, done.stderr)
  assert.match(done.stdout, /glass broken shop version 2: cutover/)
  await isRolledOut(scene)
  assert.equal(await answers(scene, 'orders', await excepted.headers()), '200')
  assert.equal(await answers(scene, 'orders', await other.headers()), '403')
  const { code, stdout } = await scene.fleet.qip('policy', 'diff', 'shop@1', 'shop@active')
  assert.equal(code, 1)
  assert.match(stdout, /added +exception cutover\n +\+ allow, when identity == "spiffe.*owner "team-shop"/)
  await until('a use is recorded at the authority', async () => {
    const found = await scene.fleet.qip('decisions', '--json')
    return found.stdout.includes('cutover')
  })
  const late = await scene.fleet.qip('policy', 'except', 'shop', ...who, '--until', '60d')
  assert.equal(late.code, 1, late.stderr)
  assert.match(late.stderr, /at most 30 days ahead/)
})
