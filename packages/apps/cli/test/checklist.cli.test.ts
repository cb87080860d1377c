import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { LabAuthority } from '../src/gameday/lab-authority.ts'
import type { LabGateway } from '../src/gameday/lab-gateway.ts'
import { Lab, names } from '../src/gameday/lab.ts'
import { openTestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

interface Row {
  readonly name: string
  readonly outcome: string
  readonly seen: string
  readonly next?: string
}

interface Gone {
  readonly code: number
  readonly items: readonly { readonly item: string; readonly rows: readonly Row[] }[]
  readonly draft: string
  rows(name: string): readonly Row[]
}

async function goThrough(name: string, ...more: readonly string[]): Promise<Gone> {
  const ran = await run(['doctor', '--checklist', name, '--json', ...more])
  const { items, draft = '' } = ran.json() as unknown as Partial<Gone>
  assert.ok(items !== undefined, ran.stdout)
  return {
    code: ran.code,
    items,
    draft,
    rows: (row) => items.flatMap(({ rows }) => rows).filter((each) => each.name === row),
  }
}

test('an authority with nothing around it is not ready for production, and each item says what lacks', async () => {
  await using served = await openTestAuthority()
  const gone = await goThrough('pre-production', '--authority', served.socket)
  assert.equal(gone.code, 1)
  assert.deepEqual(
    gone.items.map(({ item }) => item),
    [
      'Post-quantum key lifecycle plan in KMS',
      'CI signs artifacts and stores attestations',
      'Verification libraries integrated and tested',
      'Observability for verification metrics in staging',
    ],
  )
  assert.equal(gone.rows('keys-ready')[0]?.outcome, 'ok')
  assert.equal(gone.rows('members-enrolled')[0]?.outcome, 'fail')
  assert.equal(gone.rows('builders-registered')[0]?.outcome, 'fail')
  assert.match(gone.rows('members-enrolled')[0]?.next ?? '', /qip join-token/)
  // What was not looked at is not ticked.
  assert.equal(gone.rows('key-custody')[0]?.outcome, 'open')
  const production = await goThrough('production', '--authority', served.socket)
  assert.equal(production.rows('backup-recent')[0]?.outcome, 'fail')
  assert.equal(production.rows('points-redundant')[0]?.outcome, 'fail')
})

test('what only people can answer is a question, and is never ticked', async () => {
  await using served = await openTestAuthority()
  for (const name of ['pre-production', 'production', 'incident']) {
    const { stdout } = await run(['doctor', '--checklist', name, '--authority', served.socket])
    const questions = stdout.split('\n').filter((line) => line.startsWith('  [ ]'))
    assert.ok(questions.length > 0, stdout)
    assert.match(stdout, /\d+ for people to answer\n$/)
  }
})

test('an authority that nobody reaches leaves its items open, and the checklist is not done', async () => {
  const gone = await goThrough('production', '--authority', 'http://127.0.0.1:9')
  assert.equal(gone.code, 1)
  assert.equal(gone.rows('points-redundant')[0]?.outcome, 'open')
})

test('refuses a checklist that there is none of', async () => {
  const { code, stdout } = await run(['doctor', '--checklist', 'prod', '--json'])
  assert.equal(code, 2)
  assert.match(stdout, /pre-production, production, incident/)
})

test('asks Prometheus whether it scrapes and has the alerts (a server that answers like it)', async () => {
  await using served = await openTestAuthority()
  const server = createServer((request, response) => {
    const data =
      request.url?.startsWith('/api/v1/query') === true
        ? { result: [{}] }
        : { groups: [], activeAlertmanagers: [] }
    response.end(JSON.stringify({ status: 'success', data }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const gone = await goThrough('pre-production', '--authority', served.socket, '--prometheus', url)
  server.close()
  const outcomes = ['metrics-scraped', 'alerts-loaded', 'alerts-delivered'].map(
    (name) => gone.rows(name)[0]?.outcome,
  )
  assert.deepEqual(outcomes, ['ok', 'fail', 'fail'])
})

describe('with an authority and a gateway as processes', () => {
  let lab: Lab
  let authority: LabAuthority
  let gateway: LabGateway
  let socket: string

  before(async () => {
    lab = await Lab.open()
    const services = [{ id: names.shop, owner: 'team-shop', tier: 'critical', stage: 'enforced' }]
    authority = await lab.startAuthority({ config: { services } })
    gateway = await lab.startGateway(authority)
    socket = `unix:${authority.socket}`
  })
  after(() => lab[Symbol.asyncDispose]())

  test('an incident: scope by service, point and reason; what operators changed; a draft to its owners', async () => {
    for (let i = 0; i < 3; i++) await lab.call(gateway.url)
    await run(['keys', 'rotate', '--authority', socket])
    let gone = await goThrough('incident', '--authority', socket)
    for (let tries = 0; tries < 100 && !gone.draft.includes(': 3 recorded'); tries++)
      gone = await goThrough('incident', '--authority', socket)
    assert.match(gone.rows('scope')[0]?.seen ?? '', /3 refusals of \S+\/sa\/shop at gateway: token_absent/)
    const change = gone.rows('changes').find(({ seen }) => seen.includes('rotate'))
    assert.match(change?.next ?? '', /qip keys rollback/)
    assert.equal(gone.rows('ledger-readable')[0]?.outcome, 'ok')
    assert.equal(gone.rows('policy-changes')[0]?.outcome, 'ok')
    assert.equal(gone.rows('incident-declared')[0]?.outcome, 'warn')
    assert.match(
      gone.draft,
      /^To: team-shop\nAs of .*: 3 recorded refusals within the last hour\.\nServices: \S+shop/,
    )
  })

  test('production: the rows that hold are ticked', async () => {
    const gone = await goThrough('production', '--authority', socket, '--config', authority.configFile)
    assert.equal(gone.rows('members-enrolled')[0]?.outcome, 'ok')
    assert.equal(gone.rows('services-owned')[0]?.outcome, 'ok')
    assert.equal(gone.rows('shedding-ordered')[0]?.outcome, 'ok')
    assert.equal(gone.rows('rotation-scheduled')[0]?.outcome, 'ok')
    assert.notEqual(gone.rows('rotation-works')[0]?.outcome, 'open')
    assert.equal(gone.rows('ledger-replicated')[0]?.outcome, 'warn')
    assert.match(gone.rows('policies-rolled-out')[0]?.seen ?? '', /the authority has no policies/)
    const policy = join(lab.folder, 'shop.policy.yaml')
    await run(['policy', 'new', 'shop', '--out', policy])
    const published = await run(['policy', 'publish', policy, '--authority', socket])
    assert.equal(published.code, 0, published.stderr)
    const after = await goThrough('production', '--authority', socket)
    assert.match(after.rows('policies-rolled-out')[0]?.seen ?? '', /^shop: version 1, .* at 0 members/)
    const incident = await goThrough('incident', '--authority', socket)
    assert.match(incident.rows('policy-changes')[0]?.next ?? '', /qip policy rollback shop/)
  })
})
