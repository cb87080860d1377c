import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { openTokenPool, type TokenPoolOptions } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect, member } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'
import { until } from './support/until.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

async function open(
  t: { after: (done: () => Promise<void>) => void },
  options: Partial<TokenPoolOptions> = {},
) {
  const domain = await RecordedDomain.open()
  const authority = new TestAuthority(domain)
  await authority.listen()
  const transport = connect(authority)
  const session = member(authority, transport, 'workload')
  const failures: unknown[] = []
  const pool = openTokenPool(session, {
    audience: domain.shop,
    clock: domain.clock,
    onRefreshFailed: (error) => failures.push(error),
    ...options,
  })
  t.after(async () => {
    pool.close()
    await transport.close()
    await authority.stop()
  })
  const orders = () =>
    authority.received
      .filter(({ path }) => path === '/v1/tokens')
      .map(({ body }) => JSON.parse(body) as { count: number; patient: boolean })
  return { domain, authority, pool, failures, orders }
}

const away = { status: 503, type: 'application/problem+json', raw: '{"code":"QIP_X","detail":"away"}' }
const isAway = (error: unknown) => isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE')

test('orders a many-use token once for all who ask at the same time', async (t) => {
  const { domain, pool, orders } = await open(t)
  assert.deepEqual(orders(), [])
  const taken = await Promise.all(Array.from({ length: 100 }, () => pool.take()))
  assert.equal(new Set(taken).size, 1)
  assert.deepEqual(
    orders().map(({ count, patient }) => ({ count, patient })),
    [{ count: 1, patient: false }],
  )
  const [issued] = taken
  const input = domain.input(issued?.token, { staple: issued?.staple })
  assert.equal((await domain.verifier().verify(input)).reason, 'ok')
})

test('refreshes a many-use token ahead of its end, patiently and once, while the old one is handed out', async (t) => {
  const { domain, pool, orders } = await open(t)
  const first = await pool.take()
  domain.clock.advance(170_000)
  assert.equal(await pool.take(), first)
  assert.equal(orders().length, 1)
  domain.clock.advance(75_000)
  const during = await Promise.all(Array.from({ length: 50 }, () => pool.take()))
  assert.ok(during.every((token) => token === first))
  await until('the token is refreshed', () => orders().length === 2)
  assert.equal(orders()[1]?.patient, true)
  let second = await pool.take()
  await until('the new token is handed out', () => {
    void pool.take().then((token) => (second = token))
    return second !== first
  })
  assert.ok(second.expiresS > first.expiresS)
  assert.equal(orders().length, 2)
})

test('does not hand out a many-use token that is about to end', async (t) => {
  const { domain, authority, pool, orders } = await open(t)
  const first = await pool.take()
  authority.fault('/v1/tokens', away)
  domain.clock.advance(296_000)
  await assert.rejects(pool.take(), isAway)
  // Whoever comes in the same moment is refused at once, and asks nobody.
  const before = orders().length
  await assert.rejects(pool.take(), isAway)
  assert.equal(orders().length, before)
  domain.clock.advance(200)
  assert.notEqual(await pool.take(), first)
})

test('a refresh that fails costs nobody anything while the token holds, and is tried again', async (t) => {
  const { domain, authority, pool, failures, orders } = await open(t)
  const first = await pool.take()
  authority.fault('/v1/tokens', away)
  domain.clock.advance(245_000)
  assert.equal(await pool.take(), first)
  await until('the failure is told', () => failures.length === 1)
  assert.ok(isAway(failures[0]))
  assert.equal(await pool.take(), first)
  assert.equal(orders().length, 2)
  domain.clock.advance(1_000)
  assert.equal(await pool.take(), first)
  await until('it is tried again', () => orders().length === 3)
})

test('refreshes by itself what was used, and lets the rest go', async (t) => {
  const { authority, pool, orders } = await open(t, { ttlS: 1 })
  await pool.take()
  // Used once; the timer refreshes it once, and then not again, since nobody took that one.
  await until('the timer refreshes it', () => orders().length === 2)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  assert.equal(authority.count('/v1/tokens'), 2)
})

test('a many-use token that was refused is let go', async (t) => {
  const { pool } = await open(t)
  const first = await pool.take()
  pool.discard(first)
  const second = await pool.take()
  assert.notEqual(second, first)
  pool.discard(first)
  assert.equal(await pool.take(), second)
})

test('hands out each one-time token exactly once, however many ask at the same time', async (t) => {
  const { domain, pool, orders } = await open(t, { oneTime: true })
  const taken = []
  for (let wave = 0; wave < 6; wave++) {
    taken.push(...(await Promise.all(Array.from({ length: 150 }, () => pool.take()))))
    await new Promise((resolve) => setTimeout(resolve, wave))
  }
  assert.equal(taken.length, 900)
  assert.equal(new Set(taken.map(({ token }) => token)).size, 900)
  assert.ok(orders().length < 20, `${orders().length} orders`)
  const verifier = domain.verifier()
  await domain.publish()
  domain.clock.advance(1)
  const late = await pool.take()
  const input = domain.input(late.token, { staple: late.staple })
  assert.equal((await verifier.verify(input)).reason, 'ok')
  assert.equal((await verifier.verify(input)).reason, 'token_replayed')
})

test('one draw of one-time tokens is under way at a time', async (t) => {
  const { authority, pool, orders } = await open(t, { oneTime: true })
  let isOpen = false
  let overlaps = 0
  const { domain } = authority
  const { issueTokens } = await import('./support/issue.ts')
  authority.routes.set('POST /v1/tokens', async ({ body, session }) => {
    if (isOpen) overlaps++
    isOpen = true
    await new Promise((resolve) => setTimeout(resolve, 5))
    isOpen = false
    return { json: await issueTokens(domain, JSON.parse(body), session?.sid ?? '') }
  })
  await Promise.all(Array.from({ length: 400 }, () => pool.take()))
  assert.equal(overlaps, 0)
  assert.ok(orders().every(({ count }) => count <= 1_000))
})

test('draws anew before the stock is empty, and more where the demand is high', async (t) => {
  const { pool, orders } = await open(t, { oneTime: true, drawMin: 10, lowWater: 0.5 })
  await pool.take()
  assert.equal(orders()[0]?.patient, false)
  for (let i = 0; i < 4; i++) await pool.take()
  assert.equal(orders().length, 1)
  await pool.take()
  await until('it draws anew', () => orders().length === 2)
  assert.equal(orders()[1]?.patient, true)
  const [first = 0, second = 0] = orders().map(({ count }) => count)
  assert.ok(second > first, `${first} then ${second}`)
})

test('hands out no one-time token that is about to end, and draws less where they end unused', async (t) => {
  const { domain, pool, orders } = await open(t, { oneTime: true, drawMin: 4, ttlS: 60 })
  await Promise.all(Array.from({ length: 64 }, () => pool.take()))
  const large = Math.max(...orders().map(({ count }) => count))
  domain.clock.advance(56_000)
  const issued = await pool.take()
  assert.equal(issued.expiresS, domain.nowS() + 60)
  domain.clock.advance(57_000)
  await pool.take()
  domain.clock.advance(57_000)
  await pool.take()
  const last = orders().at(-1)?.count ?? 0
  assert.ok(last < large, `${last} after ${large}`)
})

test('callers that wait for one-time tokens are told when none can be had', async (t) => {
  const { domain, authority, pool, orders } = await open(t, { oneTime: true })
  authority.fault('/v1/tokens', away)
  const refused = await Promise.allSettled(Array.from({ length: 10 }, () => pool.take()))
  assert.ok(refused.every((result) => result.status === 'rejected' && isAway(result.reason)))
  assert.equal(orders().length, 1)
  await assert.rejects(pool.take(), isAway)
  assert.equal(orders().length, 1)
  domain.clock.advance(200)
  await pool.take()
})

test('no more callers wait than may', async (t) => {
  const { authority, pool } = await open(t, { oneTime: true, waitersMax: 5 })
  authority.fault('/v1/tokens', 'hang')
  const waiting = Array.from({ length: 5 }, () =>
    assert.rejects(pool.take(), (error) => isQipError(error, 'QIP_CLIENT_CLOSED')),
  )
  await assert.rejects(pool.take(), (error) => isQipError(error, 'QIP_CLIENT_POOL_EXHAUSTED'))
  pool.close()
  await Promise.all(waiting)
  await assert.rejects(pool.take(), (error) => isQipError(error, 'QIP_CLIENT_CLOSED'))
})

test('an authority whose clock is behind makes no endless orders', async (t) => {
  const { domain, authority, pool, orders } = await open(t, { oneTime: true })
  const { issueTokens } = await import('./support/issue.ts')
  authority.routes.set('POST /v1/tokens', async ({ body }) => {
    const json = await issueTokens(domain, { ...JSON.parse(body), ttl: 1 }, domain.web)
    domain.clock.advance(5_000)
    return { json }
  })
  await assert.rejects(
    pool.take(),
    (error) => isAway(error) && /clocks differ/.test((error as Error).message),
  )
  assert.equal(orders().length, 1)
})

test('refuses draws that no authority grants', async (t) => {
  const { authority } = await open(t)
  const session = member(authority, connect(authority), 'workload')
  const kind = { audience: 'spiffe://acme.example/ns/prod/sa/shop', oneTime: true }
  assert.throws(() => openTokenPool(session, { ...kind, drawMin: 0 }), TypeError)
  assert.throws(() => openTokenPool(session, { ...kind, drawMax: 1_001 }), TypeError)
})

for (const oneTime of [false, true]) {
  const kind = oneTime ? 'one-time' : 'many-use'

  test(`prepares ${kind} tokens without handing one out`, async (t) => {
    const { pool, orders } = await open(t, { oneTime, drawMin: 4 })
    assert.equal(pool.held, 0)
    await Promise.all([pool.prepare(), pool.prepare()])
    assert.equal(pool.held, oneTime ? 4 : 1)
    assert.equal(orders().length, 1)
    await pool.prepare()
    await pool.take()
    assert.equal(pool.held, oneTime ? 3 : 1)
  })

  test(`keeps ${kind} tokens that are to stand while nobody takes any, also after a failure`, async (t) => {
    const { domain, authority, pool, failures, orders } = await open(t, { oneTime, ttlS: 1, standing: true })
    await pool.prepare()
    authority.fault('/v1/tokens', away)
    await until('an order fails', () => failures.length === 1)
    await until('it is ordered again, and again', () => {
      domain.clock.advance(100)
      return orders().length >= 4
    })
  })
}

test('lets a many-use token go that was refused, once in ten seconds, and another is ordered', async (t) => {
  const { domain, pool, orders } = await open(t)
  const first = await pool.take()
  assert.equal(pool.discard(first), true)
  const second = await pool.take()
  assert.notEqual(second, first)
  // Others were refused with the first one, too: the second is there for them.
  assert.equal(pool.discard(first), true)
  assert.equal(await pool.take(), second)
  assert.equal(pool.discard(second), false)
  assert.equal(orders().length, 2)
  domain.clock.advance(10_001)
  assert.equal(pool.discard(second), true)
  assert.notEqual(await pool.take(), second)
})

test('lets one-time tokens go that were drawn with one that was refused, and keeps those drawn after it', async (t) => {
  const { pool, orders } = await open(t, { oneTime: true, drawMin: 8, lowWater: 0 })
  const [first, other] = [await pool.take(), await pool.take()]
  assert.equal(pool.held, 6)
  assert.equal(pool.discard(first), true)
  assert.equal(pool.held, 0)
  const newer = await pool.take()
  assert.equal(orders().length, 2)
  const { held } = pool
  assert.ok(held > 0)
  assert.equal(pool.discard(other), true)
  assert.equal(pool.held, held)
  // Who refuses everything has no draw after draw.
  assert.equal(pool.discard(newer), false)
  assert.equal(pool.held, held)
})
