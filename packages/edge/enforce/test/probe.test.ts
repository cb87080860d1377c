import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { tracestateHint } from '@quantum-ip/token'
import { probeParameter, probeType, sha256Prefix } from '../src/index.ts'
import { createTestDomain, type TestDomain } from './support/domain.ts'
import { openScene, type SceneOptions } from './support/scene.ts'

const doctor = 'spiffe://acme.example/quantum-ip/doctor'

interface ProbeAnswer {
  readonly received: {
    readonly fields: readonly unknown[]
    readonly via: readonly string[]
    readonly hint: boolean
  }
  readonly verdict: unknown
  readonly decision: { readonly action: string }
  readonly state: { readonly point: string }
  readonly exempt: boolean
}

async function openProbed(options: SceneOptions = {}) {
  const domain = await createTestDomain()
  return openScene({ domain, probes: { service: doctor, state: () => ({ point: 'edge-1' }) }, ...options })
}

async function ticketOf(domain: TestDomain, claims: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(domain.clock.now() / 1_000)
  return (await domain.issueOne({ sub: doctor, aud: [doctor], use: 1, exp: now + 60, ...claims })).text
}

const path = (ticket: string, ...sent: readonly string[]) =>
  `/cart?x=1&${probeParameter}=${[ticket, ...sent.map((value) => sha256Prefix(value))].join('~')}`

test('a probe is told what arrived, by lengths and digests and no value, and reaches no upstream', async () => {
  await using scene = await openProbed()
  const { domain } = scene
  const { text, staple } = await domain.issueOne({})
  const asked = await scene.ask({
    path: path(await ticketOf(domain), 'moved elsewhere'),
    token: text,
    fields: [
      'tracestate',
      `qip=${tracestateHint(domain.shop)}`,
      'Quantum-IP-Head',
      staple,
      'X-Quantum-IP',
      'copy',
      'Accept-Language',
      'moved elsewhere',
      'Cookie',
      'session=secret',
      'Via',
      '1.1 lb',
    ],
  })
  assert.equal(asked.status, 200)
  assert.equal(asked.headers['content-type'], probeType)
  assert.equal(asked.headers['www-authenticate'], 'Quantum-IP error="probe"')
  const { received, verdict, decision, state, exempt } = asked.problem as unknown as ProbeAnswer
  const sent = [
    ['Quantum-IP-Head', staple],
    ['X-Quantum-IP', 'copy'],
    ['Accept-Language', 'moved elsewhere'],
    ['Quantum-IP', text],
  ] as const
  assert.deepEqual(
    received.fields,
    sent.map(([name, value]) => ({
      name,
      length: value.length,
      sha256: createHash('sha256').update(value).digest('hex').slice(0, 16),
    })),
  )
  assert.deepEqual([received.via, received.hint], [['1.1 lb'], true])
  assert.deepEqual(verdict, { status: 'verified', reason: 'ok' })
  assert.deepEqual([decision.action, state.point, exempt], ['allow', 'edge-1', false])
  assert.ok(!asked.body.includes(text) && !asked.body.includes('secret') && !asked.body.includes(staple))
  assert.equal(scene.echo.asked(), 0)
  assert.equal(scene.records.length, 0)
})

test('a probe without a token is told how a request without one would be decided', async () => {
  await using scene = await openProbed()
  const asked = await scene.ask({ path: path(await ticketOf(scene.domain)) })
  assert.deepEqual(asked.problem['verdict'], { status: 'missing', reason: 'token_absent' })
  assert.equal((asked.problem['decision'] as { action: string }).action, 'reject')
})

test('a ticket counts once, and whoever sees it later is a stranger', async () => {
  await using scene = await openProbed()
  const ticket = path(await ticketOf(scene.domain))
  assert.equal((await scene.ask({ path: ticket })).status, 200)
  assert.equal((await scene.ask({ path: ticket })).status, 401)
})

for (const [what, claims] of [
  ['another service', { sub: 'spiffe://acme.example/ns/prod/sa/web' }],
  ['another audience', { aud: ['spiffe://acme.example/ns/prod/sa/shop'] }],
  ['a token for many uses', { use: undefined }],
  ['an expired token', { exp: 1_000, iat: 900 }],
] as const) {
  test(`no ticket: ${what}; the request is judged like any other`, async () => {
    await using scene = await openProbed()
    const ticket = await ticketOf(scene.domain, claims)
    const refused = await scene.ask({ path: path(ticket) })
    assert.equal(refused.status, 401)
    const { text } = await scene.domain.issueOne({})
    const passed = await scene.ask({ path: path(ticket), token: text })
    assert.equal(passed.status, 200)
    assert.equal(passed.seen.upstream, 'echo')
    assert.equal(passed.headers['www-authenticate'], undefined)
  })
}

test('a gateway whose trust is stale answers a ticket that it can still check', async () => {
  await using scene = await openProbed()
  const { domain } = scene
  domain.clock.advance(10 * 60_000)
  const asked = await scene.ask({ path: path(await ticketOf(domain)) })
  assert.equal(asked.status, 200)
})

test('where probes are off, a ticket is a part of the query like any other', async () => {
  const domain = await createTestDomain()
  await using scene = await openScene({ domain })
  const asked = await scene.ask({ path: path(await ticketOf(domain)) })
  assert.equal(asked.status, 401)
})
