import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reason, Verdict } from '@quantum-ip/verifier'
import { closed, facts, policyOf } from '../test/samples.ts'
import { type CompiledPolicy, type Decision, type Facts, builtinPolicy, decide } from './index.ts'
import { allReasons, statusByReason } from './verdict-reasons.ts'

function enforced(decision: Decision): string {
  return `${decision.action} ${decision.reason} ${decision.rule ?? '-'}`
}

const unattested = {
  name: 'unattested',
  when: 'build == null || build.slsaLevel < 3',
  action: 'quarantine',
}

test('lets the first rule whose condition holds decide, else the default', () => {
  const policy = policyOf({
    rules: [
      unattested,
      { name: 'writes', when: 'request.method == "POST"', action: 'reject' },
      { name: 'late', when: 'request.method == "POST"', action: 'quarantine' },
    ],
  })
  const cases: [Partial<Facts>, string][] = [
    [{}, 'allow default -'],
    [{ 'build.slsaLevel': 2 }, 'quarantine rule unattested'],
    [{ 'request.method': 'POST' }, 'reject rule writes'],
    [{ 'request.method': 'POST', build: null }, 'quarantine rule unattested'],
  ]
  for (const [replaced, expected] of cases)
    assert.equal(enforced(decide(policy, facts('ok', replaced))), expected)
})

test('decides as a value with policy, mode and quarantine', () => {
  const policy = policyOf({ quarantine: { upstream: 'sandbox' }, rules: [unattested] })
  assert.deepEqual(decide(policy, facts('ok', { build: null })), {
    action: 'quarantine',
    rule: 'unattested',
    exception: null,
    reason: 'rule',
    mode: 'enforce',
    enforced: true,
    wouldBe: 'quarantine',
    policy: { name: 'sample', version: 3 },
    deferred: false,
    quarantine: { kind: 'upstream', upstream: 'sandbox' },
  } satisfies Decision)
})

test('lets everything through in monitor mode and says what would be done', () => {
  const policy = policyOf({ mode: 'monitor', quarantine: { upstream: 'sandbox' }, rules: [unattested] })
  const decision = decide(policy, facts('ok', { build: null }))
  assert.deepEqual(
    [decision.action, decision.wouldBe, decision.enforced, decision.quarantine],
    ['allow', 'quarantine', false, null],
  )
  assert.equal(decide(policy, facts('token_absent')).wouldBe, 'reject')
})

test('refuses by default in each row of the table of verdicts', () => {
  const policy = policyOf({})
  for (const reason of allReasons) {
    const { action } = decide(policy, facts(reason))
    assert.equal(action, reason === 'ok' || reason === 'ok_retry' ? 'allow' : 'reject', reason)
  }
})

test('accepts ok_shallow only by name', () => {
  const accepts: [string, Record<string, unknown>][] = [
    ['a default of its own', { default: { ...closed, ok_shallow: 'allow' } }],
    ['a deferred default', { default: { ...closed, verified: { action: 'allow', deferred: true } } }],
    ['a rule that names it', { rules: [{ name: 'r', reasons: ['ok_shallow'], action: 'allow' }] }],
    ['a rule that reads verdict.deep', { rules: [{ name: 'r', when: '!verdict.deep', action: 'allow' }] }],
    ['a deferred rule', { rules: [{ name: 'r', when: 'true', action: 'allow', deferred: true }] }],
  ]
  for (const [title, spec] of accepts) {
    assert.equal(decide(policyOf(spec), facts('ok_shallow')).action, 'allow', title)
  }
  const plain = policyOf({ rules: [{ name: 'r', when: 'true', action: 'allow' }] })
  assert.equal(enforced(decide(plain, facts('ok_shallow'))), 'reject not_accepted -')
  assert.equal(enforced(decide(plain, facts('ok'))), 'allow rule r')
})

test('defers the deep check where it was not done', () => {
  const policy = policyOf({ rules: [{ name: 'r', when: 'true', action: 'allow', deferred: true }] })
  assert.equal(decide(policy, facts('ok_shallow')).deferred, true)
  assert.equal(decide(policy, facts('ok')).deferred, false)
})

test('never lets a caller without proof through unless a name says so', () => {
  const cases: [string, Record<string, unknown>, Reason, string][] = [
    [
      'a plain allow',
      { rules: [{ name: 'r', when: 'true', action: 'allow' }] },
      'token_absent',
      'reject default -',
    ],
    [
      'a plain quarantine',
      { rules: [{ name: 'r', when: 'true', action: 'quarantine' }] },
      'token_stripped',
      'reject default -',
    ],
    [
      'an anonymous rule',
      { rules: [{ name: 'r', when: 'true', action: 'allow', anonymous: true }] },
      'token_absent',
      'allow rule r',
    ],
    [
      'an anonymous rule, but forged',
      { rules: [{ name: 'r', when: 'true', action: 'allow', anonymous: true }] },
      'signature_invalid',
      'reject default -',
    ],
    [
      'an anonymous default',
      { anonymous: true, default: { ...closed, missing: 'allow' } },
      'token_absent',
      'allow default -',
    ],
    [
      'an anonymous default, but forged',
      { anonymous: true, default: { ...closed, missing: 'allow' } },
      'signature_invalid',
      'reject default -',
    ],
    [
      'a named quarantine',
      { rules: [{ name: 'r', reasons: ['token_expired'], action: 'quarantine' }] },
      'token_expired',
      'quarantine rule r',
    ],
    [
      'a named allow',
      { rules: [{ name: 'r', reasons: ['token_expired'], action: 'allow' }] },
      'token_expired',
      'reject default -',
    ],
    [
      'a named, anonymous allow',
      { rules: [{ name: 'r', reasons: ['token_expired'], action: 'allow', anonymous: true }] },
      'token_expired',
      'allow rule r',
    ],
    [
      'a named outage',
      { rules: [{ name: 'r', reasons: ['trust_stale'], action: 'allow', anonymous: true }] },
      'trust_stale',
      'reject default -',
    ],
    [
      'a named outage, quarantined',
      { rules: [{ name: 'r', reasons: ['trust_stale'], action: 'quarantine' }] },
      'trust_stale',
      'reject default -',
    ],
    [
      'a default for an outage',
      { default: { ...closed, head_unavailable: 'allow' } },
      'head_unavailable',
      'reject not_accepted -',
    ],
  ]
  for (const [title, spec, reason, expected] of cases) {
    assert.equal(enforced(decide(policyOf(spec), facts(reason))), expected, title)
  }
})

const proven = (reason: Reason, also: readonly Reason[] = []): Facts =>
  facts(reason, { 'verdict.alsoUnverifiable': also }, { authenticated: true })

test('rides out an outage for proven callers and named reasons only', () => {
  const policy = policyOf({ rules: [{ name: 'r', reasons: ['attestation_unavailable'], action: 'allow' }] })
  assert.equal(decide(policy, proven('attestation_unavailable')).action, 'allow')
  assert.equal(decide(policy, proven('attestation_stale')).action, 'reject')
  assert.equal(decide(policy, facts('attestation_unavailable')).action, 'reject')
  assert.equal(decide(policy, proven('attestation_unavailable', ['replay_unavailable'])).action, 'reject')
  const both = policyOf({
    default: { ...closed, attestation_unavailable: 'allow', replay_unavailable: 'allow' },
  })
  assert.equal(decide(both, proven('attestation_unavailable', ['replay_unavailable'])).action, 'allow')
  assert.equal(decide(both, proven('attestation_unavailable', ['trust_stale'])).action, 'reject')
})

test('always refuses overloaded, without evaluating a rule', () => {
  const policy = policyOf({ rules: [{ name: 'r', when: 'true', action: 'reject' }] })
  assert.equal(
    enforced(decide(policy, facts('overloaded', {}, { authenticated: true }))),
    'reject overloaded -',
  )
})

test('believes no facts that contradict each other', () => {
  const policy = policyOf({ rules: [{ name: 'r', when: 'true', action: 'allow' }] })
  const forged: Partial<Facts>[] = [
    { 'verdict.status': 'verified' },
    { 'verdict.status': 'verified', 'verdict.authenticated': true },
    { 'verdict.reason': 'ok' },
    { 'verdict.reason': 'fine', 'verdict.authenticated': true },
    { 'verdict.reason': 'constructor', 'verdict.authenticated': true },
  ]
  for (const replaced of forged) {
    assert.equal(decide(policy, facts('token_absent', replaced)).action, 'reject', JSON.stringify(replaced))
  }
})

const failing = (action: string): Record<string, unknown> => ({
  rules: [
    { name: 'r', when: 'identity.chain[7] == "x"', action },
    { name: 'after', when: 'true', action: 'allow' },
  ],
})

test('applies the own action of a rule that fails, or reject where that is allow', () => {
  assert.equal(enforced(decide(policyOf(failing('allow')), facts('ok'))), 'reject policy_error r')
  assert.equal(enforced(decide(policyOf(failing('reject')), facts('ok'))), 'reject policy_error r')
  const decision = decide(policyOf(failing('quarantine')), facts('ok'))
  assert.equal(enforced(decision), 'quarantine policy_error r')
  assert.deepEqual(decision.quarantine, { kind: 'share', percent: 1 })
})

test('reads only the facts that the rules ask for', () => {
  const policy = policyOf({
    rules: [{ name: 'r', when: 'request.method == "POST" && request.path == "/"', action: 'reject' }],
  })
  const read: string[] = []
  const watched = new Proxy(facts('ok'), {
    get: (target, name) => {
      read.push(String(name))
      return Reflect.get(target, name) as unknown
    },
  })
  decide(policy, watched)
  assert.deepEqual(
    read.filter((name) => !name.startsWith('verdict.')),
    ['request.method'],
  )
})

const count = (all: boolean[]): number => all.filter(Boolean).length

const canary = (percent: string): CompiledPolicy => policyOf({ mode: { canary: percent } })
const decided = (policy: CompiledPolicy, count: number): boolean[] =>
  Array.from({ length: count }, (_, n) => {
    const identity = `spiffe://acme.example/ns/prod/sa/s${n}`
    return decide(policy, facts('attestation_invalid', { identity }, { authenticated: true })).enforced
  })

test('carries a canary out for a stable share of identities', () => {
  const small = decided(canary('5%'), 4000)
  const large = decided(canary('20%'), 4000)
  assert.ok(count(small) > 140 && count(small) < 260, `${count(small)} of 4000`)
  assert.ok(count(large) > 700 && count(large) < 900, `${count(large)} of 4000`)
  assert.deepEqual(decided(canary('5%'), 4000), small)
  assert.ok(small.every((taken, n) => !taken || large[n] === true))
  assert.ok(decided(canary('100%'), 100).every(Boolean))
})

test('carries a canary out by route where there is no identity', () => {
  const policy = policyOf({ mode: { canary: '50%' } })
  const byRoute = (route: string, claimed: string): boolean =>
    decide(policy, facts('token_absent', { 'request.route': route, identity: claimed })).enforced
  const routes = Array.from({ length: 64 }, (_, n) => `route-${n}`)
  const taken = routes.map((route) => byRoute(route, 'a'))
  assert.ok(taken.includes(true) && taken.includes(false))
  // A caller without proof cannot pick its side of the canary.
  assert.deepEqual(
    routes.map((route) => byRoute(route, 'b')),
    taken,
  )
})

test('lets a canary through for all others, and says what would be done', () => {
  const policy = policyOf({ mode: { canary: '0.01%' } })
  const decision = decide(policy, facts('token_absent'))
  assert.deepEqual([decision.action, decision.wouldBe, decision.enforced], ['allow', 'reject', false])
})

test('enforces the built-in policy on a route without one', () => {
  for (const reason of allReasons) {
    for (const authenticated of [true, false]) {
      const more: Partial<Verdict> = { authenticated }
      const decision = decide(builtinPolicy, facts(reason, {}, more))
      const passes = authenticated && (reason === 'ok' || reason === 'ok_retry')
      assert.equal(decision.action, passes ? 'allow' : 'reject', `${reason} ${authenticated}`)
      assert.equal(decision.enforced, true)
    }
  }
})

test('tells the observer each decision once', () => {
  const seen: Decision[] = []
  const decision = decide(policyOf({}), facts('ok'), { decided: (each) => seen.push(each) })
  assert.deepEqual(seen, [decision])
})

test('agrees with the verifier about each reason and its status', async () => {
  const { verdictTable } = await import('@quantum-ip/verifier')
  assert.deepEqual(
    Object.entries(verdictTable).map(([reason, { status }]) => [reason, status]),
    Object.entries(statusByReason),
  )
})
