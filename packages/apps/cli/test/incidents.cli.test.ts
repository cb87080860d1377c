import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

// By commands, against a real authority. Tests go on where the one before ended.

let ground: TestAuthority
const asAdmin = (...args: string[]) => run([...args, '--authority', ground.socket])

before(async () => {
  ground = await openTestAuthority()
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

test('opens an incident, notes, shows and closes it, and sampling follows', async () => {
  assert.match((await asAdmin('incident', 'list')).stdout, /^none/)
  const opened = await asAdmin(
    'incident',
    'open',
    'too many 401',
    '--severity',
    'major',
    '--root-cause',
    'strip:lb-7',
  )
  assert.equal(opened.code, 0, opened.stderr)
  assert.match(opened.stdout, /ok incident 1 is open: major too many 401/)
  assert.match((await asAdmin('sampling', 'show')).stdout, /open incident +1: qip incident show 1/)
  const noted = await asAdmin('incident', 'note', '1', 'lb-7 strips the header', '--commander', 'ann')
  assert.equal(noted.code, 0, noted.stderr)
  assert.match((await asAdmin('incident', 'list')).stdout, /1 +major +open .* all +ann +too many 401/)
  const shown = await asAdmin('incident', 'show', '1')
  assert.match(shown.stdout, /root cause +strip:lb-7/)
  assert.match(shown.stdout, /noted by .*: lb-7 strips the header; commander: ann/)
  const closed = await asAdmin('incident', 'close', '1', '--resolution', 'lb-7 was configured')
  assert.match(closed.stdout, /incident 1 is closed/)
  assert.equal((await asAdmin('incident', 'close', '1', '--resolution', 'again')).code, 1)
  assert.match((await asAdmin('incident', 'list')).stdout, /^none/)
  assert.match((await asAdmin('incident', 'list', '--all')).stdout, /closed/)
  assert.match((await asAdmin('sampling', 'show')).stdout, /^as configured nothing/)
})

test('writes a report in Markdown, in which no text of others makes a table or a heading', async () => {
  await asAdmin('incident', 'open', 'a | b', '--severity', 'minor', '--summary', '# not\na heading')
  const { code, stdout, stderr } = await asAdmin('incident', 'show', '2', '--report')
  assert.equal(code, 0, stderr)
  for (const title of [
    'Services',
    'Timeline',
    'Verification during the incident',
    'Security events',
    'Rotations of keys',
    'Revocations',
    'Attestations',
    'Policy changes',
    'Who did what',
    'Windows in which alerts were silent',
    'To be answered',
  ]) {
    assert.ok(stdout.includes(`\n## ${title}\n`), title)
  }
  assert.match(stdout, /^# Incident 2: a \\\| b$/m)
  assert.match(stdout, /^\\# not a heading$/m)
  assert.match(stdout, /\| incident-open \| \{"incident":2/)
  const json = (await asAdmin('incident', 'show', '2', '--report', '--json')).json() as { acts: unknown[] }
  assert.ok(json.acts.length > 0)
  await asAdmin('incident', 'close', '2', '--resolution', 'x')
})

test('declares a window with an end, lists and shows it, and ends it before its time', async () => {
  const opened = await asAdmin(
    'window',
    'open',
    '--reason',
    'move of lb-7',
    '--for',
    '2h',
    '--owner',
    'team-net',
  )
  assert.equal(opened.code, 0, opened.stderr)
  assert.match(opened.stdout, /ok window 1: alerts of all services are silent until .*, in \d+ (?:h|min)/)
  assert.match(
    (await asAdmin('window', 'list')).stdout,
    /1 +maintenance +open .* all +team-net +move of lb-7/,
  )
  assert.match((await asAdmin('window', 'show', '1')).stdout, /reason +move of lb-7/)
  assert.match((await asAdmin('window', 'close', '1')).stdout, /window 1 is over/)
  assert.match((await asAdmin('window', 'list')).stdout, /^none/)
  assert.match((await asAdmin('window', 'list', '--all')).stdout, /over/)
})

const refused: readonly (readonly [what: string, args: readonly string[], next: RegExp])[] = [
  ['a severity that is none', ['incident', 'open', 'x', '--severity', 'big'], /critical, major, minor/],
  ['an event that is no number', ['incident', 'note', '1', 'x', '--event', 'one'], /qip events list/],
  ['a window without an end', ['window', 'open', '--reason', 'x'], /--for 2h/],
  [
    'a window with two ends',
    ['window', 'open', '--reason', 'x', '--for', '1h', '--until', 'now'],
    /--for 2h/,
  ],
  [
    'a kind that is none',
    ['window', 'open', '--reason', 'x', '--for', '1h', '--kind', 'party'],
    /maintenance, rotation/,
  ],
  ['a window of a month', ['window', 'open', '--reason', 'x', '--for', '30d'], /7 days at most/],
  [
    'a window for a service that is not declared',
    ['window', 'open', '--reason', 'x', '--for', '1h', '--service', 'spiffe://acme.example/typo'],
    /qip services/,
  ],
]
for (const [what, args, next] of refused) {
  test(`refuses ${what}, and says what to do`, async () => {
    const { code, stderr } = await asAdmin(...args)
    assert.notEqual(code, 0)
    assert.match(stderr, next)
  })
}

test('lists services with who owns them', async () => {
  const { code, stdout } = await asAdmin('services')
  assert.equal(code, 0)
  assert.match(stdout, /sa\/shop +team-shop +critical +enforced/)
  assert.match(stdout, /sa\/pay +nobody +standard +observed/)
})
