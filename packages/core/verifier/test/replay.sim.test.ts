import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '@quantum-ip/testing'
import type { OneTimeUse, ReplayGuard, ReplayOutcome } from '../src/index.ts'
import { createTestDomain, type TestToken } from './fixture.ts'

test('forgets nothing over a restart', async () => {
  const domain = await createTestDomain()
  const before = domain.verifier()
  const used = await domain.issueOne({ use: 1 })
  assert.equal((await before.verify(domain.input(used.text))).reason, 'ok')
  before.close()
  await domain.advance(2_000)
  // The process starts anew, with an empty memory: what it cannot know about it does not accept.
  const after = domain.verifier()
  assert.equal(after.ready(), true)
  assert.equal((await after.verify(domain.input(used.text))).reason, 'replay_unavailable')
  const fresh = await domain.issueOne({ use: 1 })
  assert.equal((await after.verify(domain.input(fresh.text))).reason, 'ok')
  assert.equal((await after.verify(domain.input(fresh.text))).reason, 'token_replayed')
  await domain.rotate()
  const rotated = await domain.issueOne({ use: 1 })
  assert.equal((await after.verify(domain.input(rotated.text))).reason, 'ok', 'a log that opened since')
})

test('waits for a state that is younger than its start', async () => {
  const domain = await createTestDomain()
  const used = await domain.issueOne({ use: 1 })
  await domain.advance(10_000, { publish: false })
  // The state held is ten seconds old: the token may have been used after it was signed.
  const verifier = domain.verifier()
  assert.equal(verifier.ready(), false)
  assert.equal((await verifier.verify(domain.input(used.text))).reason, 'replay_unavailable')
  await domain.publish()
  assert.equal(verifier.ready(), true)
  assert.equal((await verifier.verify(domain.input(used.text))).reason, 'replay_unavailable')
  const next = await domain.issueOne({ use: 1 })
  assert.equal((await verifier.verify(domain.input(next.text))).reason, 'ok')
})

test('says where tokens are unique per instance only', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ replay: domain.replay({ scope: 'instance' }) })
  const once = await domain.issueOne({ use: 1 })
  const many = await domain.issueOne()
  assert.equal((await verifier.verify(domain.input(once.text))).notes.replayPerInstance, true)
  assert.equal((await verifier.verify(domain.input(many.text))).notes.replayPerInstance, false)
})

test('marks a retry, also where the verdict has another reason', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ replay: domain.replay({ retryWindowMs: 1_000 }) })
  const { build, att } = await domain.registry.attest()
  const { text } = await domain.issueOne({ use: 1, bld: build, att })
  const input = domain.input(text, { requestId: 'r1', proxy: 'edge-1' })
  const first = await verifier.verify(input)
  const second = await verifier.verify(input)
  assert.deepEqual([first.reason, first.notes.retried], ['ok_shallow', false])
  assert.deepEqual([second.reason, second.notes.retried], ['ok_shallow', true])
})

function sharedGuard(consume: (use: OneTimeUse) => Promise<ReplayOutcome>): ReplayGuard {
  return { scope: 'shared', consume, observe: () => {}, ready: () => true }
}

test('waits for a shared store, and says when it is away', async () => {
  const domain = await createTestDomain()
  const seen = new Set<string>()
  let isAway = false
  const replay = sharedGuard(async ({ log, index }) => {
    if (isAway) throw new Error('away')
    const name = `${log} ${index}`
    const outcome = seen.has(name) ? 'replayed' : 'fresh'
    seen.add(name)
    return outcome
  })
  const verifier = domain.verifier({ replay })
  const [one, two] = await domain.issue([{ use: 1 }, { use: 1 }])
  const reason = async (token?: TestToken) => (await verifier.verify(domain.input(token?.text))).reason
  assert.deepEqual([await reason(one), await reason(one)], ['ok', 'token_replayed'])
  isAway = true
  assert.equal(await reason(two), 'replay_unavailable')
  assert.equal(verifier.stats().pending, 0)
})

test('looks at the clock and the trust state again after it waited', async () => {
  const domain = await createTestDomain()
  let meanwhile: (() => Promise<unknown>) | undefined
  const replay = sharedGuard(async () => {
    await meanwhile?.()
    return 'fresh'
  })
  const verifier = domain.verifier({ replay })
  const [one, two, three] = await domain.issue([{ use: 1 }, { use: 1 }, { use: 1 }])
  const reason = async (token?: TestToken) => (await verifier.verify(domain.input(token?.text))).reason
  assert.equal(await reason(one), 'ok')
  meanwhile = () => domain.revoke({ kind: 'identity', value: domain.web })
  assert.equal(await reason(two), 'identity_revoked')
  meanwhile = () => domain.advance(100_000)
  assert.equal(await reason(three), 'identity_revoked')
})

test('accepts each one-time token at most once in any run of uses, restarts, rotations and gaps of the feed', async () => {
  for (const seed of ['a', 'b', 'c']) {
    const random = seeded(seed)
    const domain = await createTestDomain({ seed })
    const accepted = new Set<string>()
    const tokens: TestToken[] = []
    let verifier = domain.verifier()
    let good = 0
    for (let step = 0; step < 110; step++) {
      const act = random.integer(0, 19)
      if (act < 8)
        tokens.push(
          ...(await domain.issue([{ use: 1 }, { use: 1, exp: domain.nowS() + 120 }], {
            publish: random.chance(0.7),
          })),
        )
      else if (act === 8) {
        verifier.close()
        verifier = domain.verifier()
      } else if (act === 9) await domain.rotate()
      else await domain.advance(random.integer(0, 8_000), { publish: random.chance(0.7) })
      for (let uses = 0; uses < 6 && tokens.length > 0; uses++) {
        const { text, staple } = random.pick(tokens)
        const { status } = await verifier.verify(domain.input(text, random.chance(0.5) ? { staple } : {}))
        if (status !== 'verified') continue
        assert.ok(!accepted.has(text), `seed ${seed}, step ${step}`)
        accepted.add(text)
        good += 1
      }
    }
    assert.ok(good > 20, `seed ${seed}: ${good}`)
  }
})
