import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policyOf } from '../test/samples.ts'
import {
  PolicyError,
  decide,
  factNames,
  parsePolicyTests,
  policyApiVersion,
  runPolicyTests,
  sampleFacts,
} from './index.ts'
import { allReasons, statusByReason } from './verdict-reasons.ts'

function tableOf(cases: unknown, more: Record<string, unknown> = {}): unknown {
  return { apiVersion: policyApiVersion, kind: 'PolicyTests', cases, ...more }
}

const exceptions = [
  {
    name: 'cutover',
    owner: 'team-shop',
    reason: 'CHG-1234',
    expires: '2026-12-01T00:00:00Z',
    when: 'request.method == "POST"',
    action: 'allow',
  },
]
const policy = policyOf({
  mode: 'monitor',
  exceptions,
  rules: [
    { name: 'writes', when: 'request.method == "POST"', action: 'reject' },
    { name: 'old', when: 'build == null || build.slsaLevel < 3', action: 'quarantine' },
    { name: 'never', when: 'request.method == "POST" && request.method == "GET"', action: 'reject' },
  ],
})

test('decides cases whatever the mode, and names what no case reaches', () => {
  const report = runPolicyTests(
    policy,
    parsePolicyTests(
      tableOf([
        { name: 'good', expect: 'allow' },
        { name: 'old', facts: { 'build.slsaLevel': 2 }, expect: { rule: 'old', exception: null } },
        { name: 'wrong', facts: { 'request.method': 'POST' }, expect: { action: 'allow', reason: 'rule' } },
      ]),
    ),
  )
  assert.deepEqual(
    report.outcomes.map(({ name, differences }) => [name, differences]),
    [
      ['good', []],
      ['old', []],
      ['wrong', [{ key: 'action', expected: 'allow', decided: 'reject' }]],
    ],
  )
  assert.equal(report.outcomes[2]?.explanation?.rules[0]?.outcome, 'decided')
  assert.deepEqual(report.unreached, { rules: ['never'], exceptions: ['cutover'] })
})

function caseAt(time?: string) {
  return {
    name: time ?? '-',
    facts: { 'request.method': 'POST' },
    ...(time && { at: time }),
    expect: { exception: 'cutover' },
  }
}

test('lets exceptions hold at the time of a case only', () => {
  const { outcomes } = runPolicyTests(
    policy,
    parsePolicyTests(tableOf([caseAt(), caseAt('2026-11-30T23:59:59Z'), caseAt('2026-12-01T00:00:00Z')])),
  )
  assert.deepEqual(
    outcomes.map(({ decided }) => decided.exception),
    [null, 'cutover', null],
  )
})

test('draws facts that fit together', () => {
  for (const reason of allReasons) {
    const facts = sampleFacts({ 'verdict.reason': reason })
    assert.deepEqual(Object.keys(facts).toSorted(), [...factNames].toSorted())
    assert.equal(facts['verdict.status'], statusByReason[reason])
    assert.equal(facts.identity !== null, facts['verdict.authenticated'])
    assert.equal(facts['build.slsaLevel'] > 0, facts.build !== null)
  }
  assert.equal(sampleFacts({ build: null })['build.slsaLevel'], 0)
  assert.equal(
    sampleFacts({ identity: 'spiffe://other.example/ns/a/sa/b' })['identity.trustDomain'],
    'spiffe://other.example',
  )
  assert.equal(decide(policy, sampleFacts()).wouldBe, 'allow')
})

test('refuses what is no table of cases, with the place', () => {
  const one = { name: 'x', expect: 'allow' }
  const cases: [unknown, string, string][] = [
    [tableOf([{ ...one, facts: { buidl: null } }]), 'QIP_POLICY_KEY_UNKNOWN', 'cases[0].facts.buidl'],
    [
      tableOf([{ ...one, facts: { 'build.slsaLevel': '3' } }]),
      'QIP_POLICY_VALUE_INVALID',
      'cases[0].facts.build.slsaLevel',
    ],
    [
      tableOf([{ ...one, facts: { 'build.slsaLevel': null } }]),
      'QIP_POLICY_VALUE_INVALID',
      'cases[0].facts.build.slsaLevel',
    ],
    [
      tableOf([{ ...one, facts: { 'verdict.reason': 'oK' } }]),
      'QIP_POLICY_VALUE_INVALID',
      'cases[0].facts.verdict.reason',
    ],
    [
      tableOf([{ ...one, facts: { 'verdict.status': 'missing' } }]),
      'QIP_POLICY_VALUE_INVALID',
      'cases[0].facts',
    ],
    [
      tableOf([{ ...one, facts: { 'identity.chain': 'x' } }]),
      'QIP_POLICY_VALUE_INVALID',
      'cases[0].facts.identity.chain',
    ],
    [tableOf([{ ...one, at: 'now' }]), 'QIP_POLICY_VALUE_INVALID', 'cases[0].at'],
    [tableOf([{ name: 'x' }]), 'QIP_POLICY_KEY_MISSING', 'cases[0]'],
    [tableOf([{ name: 'x', expect: {} }]), 'QIP_POLICY_VALUE_INVALID', 'cases[0].expect'],
    [tableOf([{ name: 'x', expect: 'deny' }]), 'QIP_POLICY_VALUE_INVALID', 'cases[0].expect'],
    [
      tableOf([{ name: 'x', expect: { reason: 'rules' } }]),
      'QIP_POLICY_VALUE_INVALID',
      'cases[0].expect.reason',
    ],
    [tableOf([one, one]), 'QIP_POLICY_VALUE_INVALID', 'cases[1]'],
    [tableOf([one], { kind: 'Policy' }), 'QIP_POLICY_VALUE_INVALID', 'kind'],
    [tableOf(Array.from({ length: 1_001 }, () => one)), 'QIP_POLICY_LIMIT_EXCEEDED', 'cases'],
  ]
  for (const [value, code, path] of cases) {
    assert.throws(
      () => parsePolicyTests(value),
      (error) => error instanceof PolicyError && error.code === code && error.details.at.path === path,
      path,
    )
  }
})
