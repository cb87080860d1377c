import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePattern } from '@quantum-ip/base'
import type { AdmissionRule } from '@quantum-ip/attestation'
import { type AttestationOptions, type DeepCheckOutcome, silentObserver } from '../src/index.ts'
import { createTestDomain, type TestDomain } from './fixture.ts'

function deepVerifier(domain: TestDomain, options: Partial<AttestationOptions> = {}) {
  const outcomes: DeepCheckOutcome[] = []
  const lookups: string[] = []
  const ages: number[] = []
  const observer = {
    ...silentObserver,
    deepCheck: (outcome: DeepCheckOutcome) => outcomes.push(outcome),
    ledgerLookup: (source: string) => lookups.push(source),
    attestationAge: (ageMs: number) => ages.push(ageMs),
  }
  const attestations = { source: domain.registry, deep: 'always' as const, ...options }
  const verifier = domain.verifier({ observer, attestations })
  const verdict = async (claims: Parameters<TestDomain['issueOne']>[0], changes = {}) =>
    verifier.verify(domain.input((await domain.issueOne(claims)).text, changes))
  return { verifier, verdict, outcomes, lookups, ages }
}

function rule(domain: TestDomain, source: string): AdmissionRule {
  return {
    name: 'web',
    service: parsePattern(domain.web),
    builder: parsePattern(domain.registry.builder),
    source: parsePattern(source),
  }
}

test('finds out what the attestation says, once for all tokens that name it', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const slsaLevels = new Map([[domain.registry.builder, 3 as const]])
  const { verdict, outcomes, lookups, ages } = deepVerifier(domain, { slsaLevels })
  await domain.advance(5_000)
  const first = await verdict({ bld: build, att, bev: 1 })
  assert.deepEqual(
    { ...first.build, digest: undefined },
    {
      digest: undefined,
      evidence: 'platform',
      builder: 'https://ci.acme.example/release',
      slsaLevel: 3,
      source: 'git+https://git.acme.example/shop/checkout',
      revision: '0123456789abcdef0123456789abcdef01234567',
      builtMs: domain.clock.now() - 65_000,
      attestedMs: domain.clock.now() - 5_000,
    },
  )
  assert.equal(first.deep, true)
  assert.equal(first.timings.path, 'deep')
  assert.equal(first.attestation?.checkedMs, domain.clock.now())
  const second = await verdict({ bld: build, att })
  assert.deepEqual([second.reason, second.deep, second.timings.path], ['ok', true, 'cold'])
  assert.equal(domain.registry.asked, 1)
  assert.deepEqual(
    [outcomes, lookups, ages],
    [
      ['passed', 'passed'],
      ['local', 'cache'],
      [5_000, 5_000],
    ],
  )
})

test('asks once, however many wait', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const { verifier } = deepVerifier(domain)
  const tokens = await domain.issue(Array.from({ length: 20 }, () => ({ bld: build, att })))
  const verdicts = await Promise.all(tokens.map(async ({ text }) => verifier.verify(domain.input(text))))
  assert.deepEqual([...new Set(verdicts.map(({ reason }) => reason))], ['ok'])
  assert.equal(domain.registry.asked, 1)
  assert.equal(verifier.stats().attestations, 1)
})

test('checks nothing where the token names nothing', async () => {
  const domain = await createTestDomain()
  const { verdict } = deepVerifier(domain)
  const plain = await verdict({})
  assert.deepEqual([plain.reason, plain.build, plain.deep], ['ok', undefined, false])
  const declared = await verdict({ bld: new Uint8Array(32) })
  assert.deepEqual([declared.reason, declared.build?.evidence, declared.deep], ['ok', 'declared', false])
})

test('refuses what is not signed by all keys of the builder, or by another builder', async () => {
  const domain = await createTestDomain()
  const { verdict, outcomes } = deepVerifier(domain)
  for (const options of [
    { signedBy: ['builder/pq'] },
    { signedBy: ['builder/classic'] },
    { builder: 'https://ci.acme.example/other' },
  ]) {
    const { build, att } = await domain.registry.attest(options)
    const got = await verdict({ bld: build, att })
    assert.deepEqual([got.reason, got.deep], ['attestation_invalid', false], JSON.stringify(options))
  }
  assert.deepEqual(outcomes, ['failed', 'failed', 'failed'])
})

test('refuses an envelope that is not the logged one', async () => {
  const domain = await createTestDomain()
  const { verdict } = deepVerifier(domain)
  const one = await domain.registry.attest()
  const two = await domain.registry.attest({ build: one.build, source: 'git+https://git.evil.example/x' })
  domain.registry.replace(one.index, two.envelope)
  assert.equal((await verdict({ bld: one.build, att: one.att })).reason, 'attestation_invalid')
})

test('refuses evidence of another entry than the one that is named', async () => {
  const domain = await createTestDomain()
  const one = await domain.registry.attest()
  const two = await domain.registry.attest({ build: one.build })
  const source = {
    fetchAttestation: async () => ({
      evidence: (await domain.registry.evidence(two.index)) ?? '',
      source: 'remote' as const,
    }),
  }
  const { verdict } = deepVerifier(domain, { source })
  assert.equal((await verdict({ bld: one.build, att: one.att })).reason, 'attestation_invalid')
  assert.equal((await verdict({ bld: one.build, att: two.att })).reason, 'ok')
})

test('refuses an attestation without the build that it is of', async () => {
  const domain = await createTestDomain()
  const { att } = await domain.registry.attest()
  assert.equal((await deepVerifier(domain).verdict({ att })).reason, 'attestation_invalid')
})

test('applies admission rules, where it has any, to the caller', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const verdict = async (source: string) => {
    const checked = deepVerifier(domain, { admissionRules: [rule(domain, source)] })
    return (await checked.verdict({ bld: build, att })).reason
  }
  assert.equal(await verdict('git+https://git.acme.example/shop/*'), 'ok')
  assert.equal(await verdict('git+https://git.acme.example/other/*'), 'attestation_invalid')
})

test('checks anew when a check is no longer fresh, and says so when it cannot', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const { verdict, outcomes } = deepVerifier(domain, { freshMs: 60_000 })
  const claims = { bld: build, att }
  domain.registry.isDown = true
  assert.equal((await verdict(claims)).reason, 'attestation_unavailable')
  await domain.advance(1_000)
  domain.registry.isDown = false
  assert.equal((await verdict(claims)).reason, 'ok')
  await domain.advance(59_999)
  domain.registry.isDown = true
  assert.equal((await verdict(claims)).reason, 'ok')
  await domain.advance(1)
  const stale = await verdict(claims)
  assert.deepEqual([stale.reason, stale.authenticated, stale.deep], ['attestation_stale', true, false])
  const { asked } = domain.registry
  assert.equal((await verdict(claims)).reason, 'attestation_stale')
  assert.equal(domain.registry.asked, asked, 'a registry that is away is not asked by each request')
  await domain.advance(1_000)
  domain.registry.isDown = false
  assert.equal((await verdict(claims)).reason, 'ok')
  assert.deepEqual(outcomes, ['unavailable', 'passed', 'passed', 'stale', 'stale', 'passed'])
})

test('takes a revocation of a builder’s key, or of the log’s, as of the build, from its index on', async () => {
  for (const key of ['builder/pq', 'builder/classic', 'ledger']) {
    const domain = await createTestDomain()
    const { verifier } = deepVerifier(domain)
    const before = await domain.registry.attest()
    const after = await domain.registry.attest()
    const [one, two] = await domain.issue([
      { bld: before.build, att: before.att },
      { bld: after.build, att: after.att },
    ])
    const reason = async (text = '') => (await verifier.verify(domain.input(text))).reason
    const checked = await verifier.verify(domain.input(two!.text))
    assert.deepEqual([await reason(one?.text), checked.reason], ['ok', 'ok'])
    const { kid } = domain.key(key).record.key
    await domain.revoke({ kind: 'key', value: kid, log: domain.registry.origin, from: after.index })
    assert.deepEqual([await reason(one?.text), await reason(two?.text)], ['ok', 'build_revoked'], key)
    assert.equal(verifier.recheck(checked), 'build_revoked')
    await domain.setKeyState(key, 'compromised')
    assert.deepEqual([await reason(one?.text), await reason(two?.text)], ['ok', 'build_revoked'], key)
    const fresh = deepVerifier(domain)
    assert.equal((await fresh.verdict({ bld: before.build, att: before.att })).reason, 'ok')
    assert.equal((await fresh.verdict({ bld: after.build, att: after.att })).reason, 'attestation_invalid')
  }
})

test('takes a key that is compromised, and nobody knows since when, as compromised from the start', async () => {
  for (const key of ['builder/pq', 'ledger']) {
    const domain = await createTestDomain()
    const { verdict } = deepVerifier(domain)
    const { build, att } = await domain.registry.attest()
    assert.equal((await verdict({ bld: build, att })).reason, 'ok')
    await domain.setKeyState(key, 'compromised')
    assert.equal((await verdict({ bld: build, att })).reason, 'build_revoked', key)
  }
})

test('checks every hop of the chain too', async () => {
  const domain = await createTestDomain()
  const own = await domain.registry.attest()
  const hop = await domain.registry.attest()
  const { verdict } = deepVerifier(domain)
  const chained = (attIndex: number) => ({
    bld: own.build,
    att: own.att,
    chn: [{ sid: domain.web, attLog: 1, attIndex, log: 1, index: 2 }],
  })
  const good = await verdict(chained(hop.index))
  assert.deepEqual([good.reason, good.attestation?.index], ['ok', own.index])
  assert.equal((await verdict(chained(99))).reason, 'attestation_invalid')
  await domain.revoke({
    kind: 'key',
    value: domain.key('builder/pq').record.key.kid,
    log: domain.registry.origin,
    from: hop.index,
  })
  assert.equal((await verdict(chained(hop.index))).reason, 'build_revoked')
})

test('draws a share of the tokens, and for one token always the same lot', async () => {
  const domain = await createTestDomain()
  // Each token names an attestation of its own: what is known of one says nothing about another.
  const builds = await Promise.all(Array.from({ length: 400 }, () => domain.registry.attest()))
  const { verifier } = deepVerifier(domain, { deep: { sample: 0.25 } })
  const tokens = await domain.issue(builds.map(({ build, att }) => ({ bld: build, att })))
  const reasons = await Promise.all(
    tokens.map(async ({ text }) => (await verifier.verify(domain.input(text))).reason),
  )
  const again = await Promise.all(
    tokens.map(async ({ text }) => (await verifier.verify(domain.input(text))).reason),
  )
  assert.deepEqual(again, reasons)
  const deep = reasons.filter((reason) => reason === 'ok').length
  assert.ok(deep > 60 && deep < 140, String(deep))
  assert.equal(reasons.filter((reason) => reason === 'ok_shallow').length, 400 - deep)
})

test('lets the request say how deep, and counts what it leaves out', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const { verdict, outcomes } = deepVerifier(domain, { deep: 'never' })
  assert.equal((await verdict({ bld: build, att })).reason, 'ok_shallow')
  assert.equal((await verdict({ bld: build, att }, { deep: 'always' })).reason, 'ok')
  assert.deepEqual(outcomes, ['skipped', 'passed'])
  const without = domain.verifier()
  const { text } = await domain.issueOne({ bld: build, att })
  const { reason } = await without.verify(domain.input(text, { deep: 'always' }))
  assert.equal(reason, 'attestation_unavailable', 'nobody to ask')
})

test('takes what is known already, where a share is checked: it costs nothing, and says more', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const { verdict, outcomes } = deepVerifier(domain, { deep: { sample: 0 } })
  assert.equal((await verdict({ bld: build, att })).reason, 'ok_shallow')
  assert.equal((await verdict({ bld: build, att }, { deep: 'always' })).reason, 'ok')
  const known = await verdict({ bld: build, att })
  assert.deepEqual([known.reason, known.deep], ['ok', true])
  assert.equal((await verdict({ bld: build, att }, { deep: 'never' })).reason, 'ok_shallow')
  assert.deepEqual(outcomes, ['skipped', 'passed', 'passed', 'skipped'])
})

test('answers first and checks afterwards, where that is asked for', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const { verifier, verdict, outcomes } = deepVerifier(domain, { deep: 'deferred' })
  const first = await verdict({ bld: build, att })
  assert.deepEqual([first.reason, first.deep, domain.registry.asked], ['ok_shallow', false, 0])
  assert.equal(await verifier.checkDeferred(first), 'passed')
  assert.equal((await verdict({ bld: build, att })).reason, 'ok')
  assert.deepEqual(outcomes, ['deferred', 'passed', 'passed'])
})

test('refuses what a deferred check found out, and goes on checking it before anything passes', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest({ signedBy: ['builder/pq'] })
  const { verifier, verdict } = deepVerifier(domain, { deep: 'deferred' })
  const first = await verdict({ bld: build, att })
  assert.equal(first.reason, 'ok_shallow')
  assert.equal(await verifier.checkDeferred(first), 'failed')
  assert.equal((await verdict({ bld: build, att })).reason, 'attestation_invalid')
  await domain.advance(60_000)
  const { asked } = domain.registry
  assert.equal((await verdict({ bld: build, att })).reason, 'attestation_invalid')
  assert.equal(domain.registry.asked, asked + 1)
})

test('takes a registry that is away for no proof: the request passes, and the check is to be tried again', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const { verifier, verdict } = deepVerifier(domain, { deep: 'deferred' })
  domain.registry.isDown = true
  const first = await verdict({ bld: build, att })
  assert.equal(await verifier.checkDeferred(first), 'unavailable')
  assert.equal((await verdict({ bld: build, att })).reason, 'ok_shallow')
  await domain.advance(1_000)
  domain.registry.isDown = false
  assert.equal(await verifier.checkDeferred(first), 'passed')
})

test('checks at least the share that is asked for at the moment, but never where deep checks are switched off', async () => {
  const domain = await createTestDomain()
  let share = 0
  const reason = async (deep: 'deferred' | 'never' | { sample: number }) => {
    const { build, att } = await domain.registry.attest()
    return (await deepVerifier(domain, { deep, leastShare: () => share }).verdict({ bld: build, att })).reason
  }
  assert.deepEqual([await reason('deferred'), await reason({ sample: 0 })], ['ok_shallow', 'ok_shallow'])
  share = 1
  assert.deepEqual([await reason('deferred'), await reason({ sample: 0 })], ['ok', 'ok'])
  assert.equal(await reason('never'), 'ok_shallow')
})

test('checks an attestation anew when it is asked to, whatever it holds', async () => {
  const domain = await createTestDomain()
  const one = await domain.registry.attest()
  const two = await domain.registry.attest({ build: one.build, source: 'git+https://git.evil.example/x' })
  const { verifier, verdict } = deepVerifier(domain)
  const place = { origin: domain.registry.origin, index: one.index }
  assert.equal((await verdict({ bld: one.build, att: one.att })).reason, 'ok')
  domain.registry.replace(one.index, two.envelope)
  assert.equal(await verifier.recheckAttestation(place), 'failed')
  assert.equal((await verdict({ bld: one.build, att: one.att })).reason, 'attestation_invalid')
  domain.registry.isDown = true
  assert.equal(await verifier.recheckAttestation(place), 'unavailable')
})
