import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Reason } from '@quantum-ip/verifier'
import {
  type CompiledPolicy,
  type Facts,
  PolicyError,
  compilePolicy,
  decide,
  parsePolicy,
} from '../src/index.ts'
import { allReasons, allStatuses, statusByReason } from '../src/verdict-reasons.ts'
import { closed, facts } from './samples.ts'

const numRuns = process.env['QIP_TEST_LONG'] === '1' ? 100_000 : 1_000

// A few reasons of each status, in rules and requests alike, so that the two often meet.
const likely = ['ok_shallow', 'token_absent', 'token_expired', 'trust_stale', 'overloaded'] as const

const action = fc.constantFrom('allow', 'reject', 'quarantine')
const words = fc.constantFrom<unknown>(
  'allow',
  'reject',
  'monitor',
  'enforce',
  'canary: 5%',
  'token_absent',
  'attestation_stale',
  'overloaded',
  'verified',
  '',
  true,
  false,
  null,
  0,
  1,
  Number.NaN,
)
const conditions = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      'true',
      'verdict.deep || true',
      '!verdict.deep',
      'verdict.status != "verified"',
      '!verdict.authenticated',
      'identity == null',
      'identity.chain[0] == "x"',
      'request.path.startsWith("/")',
      '1 / 0 == 1 || true',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'has(build)',
      'verdict.reason == "token_absent"',
      'verdict.staus == "x"',
      ')(',
    ),
  },
)

// Most rules are accepted, so that most documents decide something; mutations make the refused ones.
const reasonList = fc.array(fc.oneof(fc.constantFrom(...allReasons), fc.constantFrom(...likely)), {
  minLength: 1,
  maxLength: 3,
})
const allowing = fc.record(
  {
    when: conditions,
    reasons: reasonList,
    action: fc.constant('allow'),
    deferred: fc.boolean(),
    anonymous: fc.boolean(),
  },
  { requiredKeys: ['when', 'action'] },
)
const quarantining = fc.record(
  {
    when: conditions,
    reasons: reasonList,
    action: fc.constant('quarantine'),
    quarantine: fc.constantFrom({ share: '1%' }, { upstream: 'x' }, { rate: '1/s', concurrency: 1 }),
  },
  { requiredKeys: ['when', 'action'] },
)
const rejecting = fc.record({ when: conditions, action: fc.constant('reject') })
const rules = fc
  .array(fc.oneof(allowing, quarantining, rejecting), { maxLength: 3 })
  .map((rules) => rules.map((rule, at) => Object.assign({ name: `rule-${at}` }, rule)))

const line = fc.oneof(action, fc.record({ action, deferred: fc.boolean() }, { requiredKeys: ['action'] }))
const lines = fc.dictionary(fc.constantFrom(...allStatuses, ...allReasons), line, { maxKeys: 2 })

const document = fc.record({
  apiVersion: fc.constant('quantum-ip.dev/v1'),
  kind: fc.constant('Policy'),
  metadata: fc.record({ name: fc.constant('fuzzed'), version: fc.constant(1) }),
  spec: fc.record(
    {
      mode: fc.constantFrom('enforce', 'monitor', { canary: '5%' }, 'canary: 50%'),
      anonymous: fc.boolean(),
      rules,
      default: fc
        .oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: lines })
        .map((lines) => Object.assign({ verified: 'allow' }, lines)),
    },
    { requiredKeys: ['mode', 'default'] },
  ),
})

/** A change to one value or key somewhere in a document. */
const mutation = fc.record({
  place: fc.nat(),
  change: fc.constantFrom('value', 'drop', 'rename', 'wrap', 'double'),
  value: fc.oneof(words, fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>),
  key: fc.constantFrom('when', 'wen', '__proto__', 'action', 'anonymous', 'toString', 'default'),
})

type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

function mutate(value: unknown, { place, change, value: replacement, key }: Mutation): unknown {
  const copy = structuredClone(value)
  const slots: { readonly of: Record<string, unknown>; readonly key: string }[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const key of Object.keys(node)) {
      slots.push({ of: node as Record<string, unknown>, key })
      visit((node as Record<string, unknown>)[key])
    }
  }
  visit(copy)
  const slot = slots[place % slots.length]
  if (slot === undefined) return copy
  const { of: parent, key: old } = slot
  if (change === 'value') parent[old] = replacement
  if (change === 'wrap') parent[old] = [parent[old]]
  if (change === 'double' && Array.isArray(parent[old])) parent[old] = [...parent[old], ...parent[old]]
  if (change === 'rename') {
    Object.defineProperty(parent, key, {
      value: parent[old],
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  if (change === 'drop' || change === 'rename') delete parent[old]
  return copy
}

/** The policy, or `undefined` if it was refused with a code. */
function load(value: unknown): CompiledPolicy | undefined {
  try {
    return compilePolicy(parsePolicy(value))
  } catch (error) {
    assert.ok(error instanceof PolicyError, `not a coded error: ${String(error)}`)
    return undefined
  }
}

const anyFacts = fc
  .record({
    reason: fc.oneof(fc.constantFrom(...allReasons), fc.constantFrom(...likely)),
    authenticated: fc.boolean(),
    also: fc.array(fc.constantFrom<Reason>('trust_stale', 'overloaded', 'replay_unavailable'), {
      maxLength: 1,
    }),
  })
  .map(({ reason, authenticated, also }) =>
    facts(reason, { 'verdict.alsoUnverifiable': also, 'request.path': '/x' }, { authenticated }),
  )

/** Whether the document itself spells out that callers without proof may pass for `reason`. */
function spelled(policy: CompiledPolicy, reason: Reason): boolean {
  const { rules, anonymous, defaults } = policy.document
  const byRule = rules.some((rule) => rule.anonymous || rule.reasons?.includes(reason) === true)
  return byRule || anonymous || defaults.byReason[reason] !== undefined
}

function checkDecision(policy: CompiledPolicy, facts: Facts): void {
  const decision = decide(policy, facts)
  const reason = facts['verdict.reason'] as Reason
  const status = statusByReason[reason]
  if (!decision.enforced) {
    assert.equal(decision.action, 'allow')
    assert.notEqual(policy.document.mode, 'enforce')
    return
  }
  assert.notEqual(policy.document.mode, 'monitor')
  assert.equal(decision.action, decision.wouldBe)
  if (decision.action === 'reject') return
  assert.notEqual(reason, 'overloaded')
  const rule = policy.document.rules.find(({ name }) => name === decision.rule)
  if (!facts['verdict.authenticated']) {
    assert.ok(spelled(policy, reason), `${decision.action} for an unauthenticated ${reason}`)
    assert.notEqual(status, 'unverifiable')
    assert.notEqual(status, 'verified')
    const says = decision.rule === null ? policy.document.anonymous : rule?.anonymous
    if (decision.action === 'allow')
      assert.equal(says, true, `allow without the word anonymous for ${reason}`)
  }
  const named =
    decision.rule === null
      ? policy.document.defaults.byReason[reason] !== undefined
      : rule?.reasons?.includes(reason)
  if (status === 'unverifiable' || status === 'invalid') assert.ok(named, `${reason} without its name`)
  for (const other of facts['verdict.alsoUnverifiable'] as readonly Reason[]) {
    const named =
      decision.rule === null ? policy.document.defaults.byReason[other] : rule?.reasons?.includes(other)
    assert.ok(named, `${other} besides ${reason} without its name`)
  }
  if (reason === 'ok_shallow') {
    const deferred = decision.deferred || rule?.when?.includes('verdict.deep') === true
    assert.ok(named === true || deferred || decision.action === 'quarantine', 'ok_shallow without its name')
  }
}

test('gives each generated or mutated document a coded error or a policy that is closed but for names', () => {
  let loaded = 0
  fc.assert(
    fc.property(
      document,
      fc.array(mutation, { maxLength: 2, size: 'small' }),
      fc.array(anyFacts, { minLength: 8, maxLength: 8 }),
      (document, mutations, requests) => {
        const policy = load(mutations.reduce<unknown>(mutate, document))
        if (policy === undefined) return
        loaded++
        for (const facts of requests) checkDecision(policy, facts)
      },
    ),
    { numRuns },
  )
  // A parser that refuses everything would pass the property: some documents must get through.
  assert.ok(loaded > numRuns / 10, `${loaded} of ${numRuns} were accepted`)
})

test('gives any value at all a coded error or a policy', () => {
  fc.assert(
    fc.property(
      fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
      (value) => {
        assert.equal(load(value), undefined)
      },
    ),
    { numRuns },
  )
})

test('gives any text as a condition a coded error or a condition', () => {
  const pieces = [
    'verdict.deep',
    'build',
    '.',
    '==',
    '&&',
    '(',
    ')',
    '"a"',
    '!',
    '[',
    ']',
    'null',
    '3',
    'in',
    '?',
    ':',
    '{',
    'has(',
    'matches',
    ' ',
  ]
  const text = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (when) => {
      load({
        apiVersion: 'quantum-ip.dev/v1',
        kind: 'Policy',
        metadata: { name: 'fuzzed', version: 1 },
        spec: { mode: 'enforce', default: closed, rules: [{ name: 'r', when, action: 'reject' }] },
      })
    }),
    { numRuns },
  )
})
