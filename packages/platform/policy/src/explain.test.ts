import assert from 'node:assert/strict'
import { test } from 'node:test'
import { facts, policyOf } from '../test/samples.ts'
import { explainDecision } from './index.ts'

test('explains every rule with its value or error and the facts it read', () => {
  const policy = policyOf({
    rules: [
      { name: 'silent', reasons: ['trust_stale'], action: 'allow' },
      { name: 'false', when: 'request.method == "POST"', action: 'reject' },
      { name: 'decides', when: 'build == null || build.slsaLevel < 3', action: 'quarantine' },
      { name: 'also-true', when: 'verdict.deep', action: 'allow' },
      { name: 'failing', when: 'identity.chain[4] == "x"', action: 'allow' },
    ],
  })
  const { decision, rules } = explainDecision(policy, facts('ok', { 'build.slsaLevel': 2 }))
  assert.equal(decision.rule, 'decides')
  assert.deepEqual(
    rules.map(({ name, outcome, value }) => [name, outcome, value]),
    [
      ['silent', 'silent', null],
      ['false', 'not_held', false],
      ['decides', 'decided', true],
      ['also-true', 'held', true],
      ['failing', 'failed', null],
    ],
  )
  assert.deepEqual(rules[1]?.facts, { 'request.method': 'GET' })
  assert.deepEqual(rules[2]?.facts, { build: 'ab'.repeat(32), 'build.slsaLevel': 2 })
  assert.equal(rules[2]?.when, 'build == null || build.slsaLevel < 3')
  assert.equal(rules[3]?.error, null)
  assert.ok(rules[4]?.error)
})

test('marks a rule that failed and thereby decided', () => {
  const policy = policyOf({ rules: [{ name: 'failing', when: 'identity.chain[4] == "x"', action: 'allow' }] })
  const { decision, rules } = explainDecision(policy, facts('ok'))
  assert.equal(decision.reason, 'policy_error')
  assert.equal(rules[0]?.outcome, 'decided')
  assert.ok(rules[0]?.error)
})

test('can be written down as JSON', () => {
  const policy = policyOf({ rules: [{ name: 'r', when: 'build.slsaLevel < 3', action: 'reject' }] })
  assert.doesNotThrow(() => JSON.stringify(explainDecision(policy, facts('ok'))))
})
