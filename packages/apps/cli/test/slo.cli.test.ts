import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { EnforcedNode, pay, shop, stripped } from './support/enforced-node.ts'
import { run } from './support/run.ts'

// By commands, against a real node: authority and gateway in one process.

let node: EnforcedNode

before(async () => {
  node = await EnforcedNode.open()
})

after(async () => {
  await node[Symbol.asyncDispose]()
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

const slo = (...args: string[]) => run(['slo', '--config', node.file, ...args])
async function levels(...args: string[]): Promise<Levels> {
  const answer = await slo('--json', ...args)
  assert.equal(answer.code, 0, answer.stderr)
  return answer.json() as unknown as Levels
}

test('counts what a gateway did, of enforced services, once though two were asked', async () => {
  const url = node.gateway
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
  // Whether the gateway was enrolled in the minute that was looked at is left open: that none was behind is not.
  assert.equal(of('M6')?.burn['1h'], 0)
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
  const unknown = await slo('--service', pay)
  assert.notEqual(unknown.code, 0)
  assert.match(unknown.stderr, /qip services/)
})

test('goes on counting after a restart', async () => {
  const before1 = await levels()
  await node.restart()
  await fetch(node.gateway, stripped)
  const after1 = await levels()
  assert.equal(after1.sinceMs, before1.sinceMs)
  assert.equal(after1.levels.find(({ id }) => id === 'M1')?.total, 5)
})

test('says what it could not ask, and what to do where nothing can be asked', async () => {
  const other = join(node.folder, 'other.yaml')
  await writeFile(
    other,
    `trustDomain: spiffe://acme.example\nstore: { sqlite: ./none }\nauthority: { listen: 127.0.0.1:1, socket: ./none.sock }\ntrust: { snapshots: ./none }\n`,
  )
  const { code, stderr } = await run(['slo', '--config', other])
  assert.notEqual(code, 0)
  assert.match(stderr, /--prometheus/)
  const wrong = await run(['slo', '--prometheus', 'ftp://x'])
  assert.match(wrong.stderr, /http:\/\/127\.0\.0\.1:9090/)
})
