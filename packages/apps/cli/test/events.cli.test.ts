import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

// By commands, against a real authority. Tests go on where the one before ended.

let ground: TestAuthority
const asAdmin = (...args: string[]) => run([...args, '--authority', ground.socket])
const td = 'spiffe://acme.example'

const raise = (kid: string) =>
  ground.authority.watch.events.raise({
    kind: 'key_unknown',
    severity: 'warning',
    subject: kid,
    log: null,
    dedupe: kid,
    proof: { td, key: kid, count: 12 },
    reportedBy: `${td}/ns/prod/sa/edge`,
    action: 'none',
  })

before(async () => {
  ground = await openTestAuthority()
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

test('lists nothing where nothing was raised', async () => {
  const { code, stdout } = await asAdmin('events', 'list')
  assert.deepEqual([code, stdout.startsWith('none')], [0, true])
})

test('lists and shows an event with its proof and what was done', async () => {
  await raise('0badcafe')
  const list = await asAdmin('events', 'list')
  assert.match(list.stdout, /1 +warning +key_unknown +open +0badcafe/)
  const shown = await asAdmin('events', 'show', '1')
  assert.equal(shown.code, 0, shown.stderr)
  assert.match(shown.stdout, /count +12/)
  assert.match(shown.stdout, /raised by spiffe:/)
  assert.match(shown.stdout, /0 affected decisions/)
  const missing = await asAdmin('events', 'show', '7', '--json')
  assert.equal(missing.code, 1)
})

test('acknowledges an event, closes it, and does neither twice', async () => {
  const { code } = await asAdmin('events', 'acknowledge', '1', '--note', 'looking')
  assert.equal(code, 0)
  assert.equal((await asAdmin('events', 'acknowledge', '1')).code, 1)
  assert.equal((await asAdmin('events', 'close', '1')).code, 0)
  assert.match((await asAdmin('events', 'list')).stdout, /^none/)
  assert.match((await asAdmin('events', 'list', '--all')).stdout, /closed/)
  const { steps } = (await asAdmin('events', 'show', '1', '--json')).json() as {
    steps: { act: string; note: string }[]
  }
  assert.deepEqual(
    steps.map(({ act, note }) => [act, note]),
    [
      ['raised', ''],
      ['acknowledged', 'looking'],
      ['closed', ''],
    ],
  )
})

test('follows: tells of what is raised from now on, not of what was', async () => {
  const following = asAdmin('events', 'follow', '--for', '5000ms', '--json')
  setTimeout(() => void raise('0badcaff'), 2_500)
  const { stdout } = await following
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { number: number }).number),
    [2],
  )
})

const record = (id: string, head: string | null) => ({
  id,
  timeMs: 1_800_000_000_000,
  reason: 'ok',
  record: {
    id,
    timeMs: 1_800_000_000_000,
    reason: 'ok',
    action: 'allow',
    service: `${td}/ns/prod/sa/shop`,
    subject: `${td}/ns/prod/sa/checkout`,
    token: { log: 'acme.example/tokens/1', index: 5, digest: '00' },
    head,
  },
})

test('lists decisions about the tokens of a log, and those that relied on a head which is in none', async () => {
  const { decisions } = ground.authority
  await decisions.add([record('a', 'provisional'), record('b', null)])
  await decisions.add([record('a', 'unlogged')])
  const ids = async (...args: string[]) =>
    ((await asAdmin('decisions', '--json', ...args)).json() as { decisions: { id: string }[] }).decisions.map(
      ({ id }) => id,
    )
  assert.deepEqual((await ids()).sort(), ['a', 'b'])
  assert.deepEqual((await ids('--log', 'tokens/1')).sort(), ['a', 'b'])
  assert.deepEqual(await ids('--log', 'tokens/1', '--unlogged'), ['a'])
  assert.deepEqual(await ids('--log', 'tokens/2'), [])
  const table = await asAdmin('decisions', '--log', 'tokens/1', '--unlogged')
  assert.match(table.stdout, /sa\/checkout/)
})
