import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestDomain } from '../test/fixture.ts'
import { silentObserver } from './observer.ts'
import type { ReplayGuard } from './replay-guard.ts'

test('tells the observer of each verification once, with what took its time', async () => {
  const domain = await createTestDomain()
  const calls: unknown[][] = []
  let ms = 0
  const verifier = domain.verifier({
    stopwatch: () => (ms += 1),
    observer: { ...silentObserver, verification: (...call) => calls.push(call) },
  })
  const { text } = await domain.issueOne()
  const cold = await verifier.verify(domain.input(text))
  await verifier.verify(domain.input(text))
  await verifier.verify(domain.input(text, { audience: domain.web }))
  await verifier.verify(domain.input(undefined))
  assert.deepEqual(calls, [
    [domain.shop, 'ok', 'cold', 1],
    [domain.shop, 'ok', 'cached', 1],
    [domain.web, 'audience_mismatch', 'cached', 1],
    [domain.shop, 'token_absent', 'cold', 1],
  ])
  assert.deepEqual(cold.timings, { path: 'cold', totalMs: 1 })
})

test('says what it spends signature time on', async () => {
  const domain = await createTestDomain()
  const spent: string[] = []
  const observer = {
    ...silentObserver,
    crypto: (operation: string, scheme: string) => spent.push(`${operation} ${scheme}`),
  }
  const { build, att } = await domain.registry.attest()
  const verifier = domain.verifier({ observer, attestations: { source: domain.registry, deep: 'always' } })
  const { text, staple } = await domain.issueOne({ bld: build, att }, { publish: false })
  await verifier.verify(domain.input(text, { staple }))
  await verifier.verify(domain.input(await domain.issueJwt(), { acceptJwt: true }))
  assert.deepEqual(spent, ['verify_head ML-DSA-44', 'verify_attestation ML-DSA-65', 'verify_jwt ML-DSA-44'])
})

test('sheds only what would have to wait', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ pendingMax: 0 })
  const held = await domain.issueOne()
  const { text, staple } = await domain.issueOne({}, { publish: false })
  assert.equal((await verifier.verify(domain.input(held.text))).reason, 'ok')
  const { reason, authenticated } = await verifier.verify(domain.input(text, { staple }))
  assert.deepEqual([reason, authenticated], ['overloaded', false])
})

test('uses up no token of a request that is shed', async () => {
  const domain = await createTestDomain()
  const local = domain.replay()
  let asked = 0
  const replay: ReplayGuard = {
    scope: 'shared',
    consume(use) {
      asked++
      return Promise.resolve(local.consume(use))
    },
    observe: (state) => local.observe(state),
    ready: () => true,
  }
  const full = domain.verifier({ replay, pendingMax: 0 })
  const next = domain.verifier({ replay })
  const { text } = await domain.issueOne({ use: 1 })
  assert.deepEqual([(await full.verify(domain.input(text))).reason, asked], ['overloaded', 0])
  assert.deepEqual([(await next.verify(domain.input(text))).reason, asked], ['ok', 1])
  // A guard that answers at once lets nobody wait.
  const other = await domain.issueOne({ use: 1 })
  const atOnce = domain.verifier({ replay: local, pendingMax: 0 })
  assert.equal((await atOnce.verify(domain.input(other.text))).reason, 'ok')
})

test('follows the epoch of the trust state', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const { text } = await domain.issueOne()
  assert.equal((await verifier.verify(domain.input(text))).epoch, 0)
  await domain.revoke({ kind: 'identity', value: domain.shop })
  assert.equal((await verifier.verify(domain.input(text))).epoch, 1)
})

test('has verdicts of one shape, whatever they say', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const { text } = await domain.issueOne()
  const members = async (token: string | undefined) =>
    Object.keys(await verifier.verify(domain.input(token))).join()
  const shape = await members(text)
  for (const token of [undefined, 'rubbish', text.slice(0, 40)]) assert.equal(await members(token), shape)
})

test('keeps the token’s secret out of everything that it gives out', async () => {
  const domain = await createTestDomain()
  const events: unknown[] = []
  const verifier = domain.verifier({ observer: { ...silentObserver, event: (event) => events.push(event) } })
  const jti = new Uint8Array(16).fill(0xa5)
  const { text, staple } = await domain.issueOne({ jti }, { publish: false })
  domain.hideHeads()
  const verdict = await verifier.verify(domain.input(text, { staple }))
  await domain.advance(61_000)
  const shown = Buffer.from(JSON.stringify([verdict, events, verifier.stats()]))
  const kinds = events.map((event) => (event as { kind: string }).kind)
  assert.deepEqual(kinds, ['head_late', 'head_unlogged'])
  assert.ok(!shown.includes(text) && !shown.includes(Buffer.from(jti).toString('base64url')))
  assert.ok(!shown.includes('165,165,165') && !shown.includes('"0":165,"1":165'))
})

test('refuses numbers that it cannot work by', async () => {
  const domain = await createTestDomain()
  for (const options of [
    { staleAfterMs: 0 },
    { cacheMax: -1 },
    { pendingMax: Number.NaN },
    { clockToleranceS: -1 },
  ]) {
    assert.throws(() => domain.verifier(options), TypeError, JSON.stringify(options))
  }
  const attestations = { source: domain.registry, deep: { sample: 1.5 } }
  assert.throws(() => domain.verifier({ attestations }), TypeError)
})

test('hears no more of the trust state once it is closed', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  assert.equal(verifier.ready(), true)
  const late = domain.verifier({ replay: domain.replay({ floorSkewMs: 1_000 }) })
  late.close()
  await domain.advance(1_000)
  const token = await domain.issueOne({ use: 1 })
  // It looks only when it is asked, and then its floor is above the token.
  assert.equal((await late.verify(domain.input(token.text))).reason, 'replay_unavailable')
})
