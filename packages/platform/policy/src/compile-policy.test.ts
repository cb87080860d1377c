import assert from 'node:assert/strict'
import { test } from 'node:test'
import { documentOf } from '../test/samples.ts'
import { PolicyError, compilePolicy, parsePolicy } from './index.ts'

function refusal(spec: Record<string, unknown>): PolicyError {
  const document = parsePolicy(documentOf(spec))
  try {
    compilePolicy(document, {
      locate: (path) => (path === 'spec.rules[0].when' ? { line: 12, column: 13 } : undefined),
    })
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error))
    return error
  }
  return assert.fail('compiled')
}

test('says in which rule and where a condition is wrong', () => {
  const error = refusal({ rules: [{ name: 'r', when: 'true && buidl == null', action: 'reject' }] })
  assert.equal(error.code, 'QIP_POLICY_FACT_UNKNOWN')
  assert.equal(
    error.message,
    'unknown fact `buidl` at `spec.rules[0].when` (line 12, column 13), character 9, the nearest known one is `build`',
  )
})

test('refuses a rule that waits for a verdict which it cannot speak for', () => {
  const cases: [string, string, Record<string, unknown>?][] = [
    ['verdict.reason == "attestation_unavailable"', 'allow'],
    ['"attestation_unavailable" == verdict.reason', 'quarantine'],
    ['verdict.reason in ["trust_stale"] && request.method == "GET"', 'allow'],
    ['verdict.status == "missing"', 'allow'],
    ['verdict.status == "invalid"', 'quarantine'],
    ['verdict.reason == "ok_shallow"', 'allow'],
    ['!(verdict.reason != "token_expired")', 'quarantine'],
    ['verdict.reason == "overloaded"', 'allow'],
    ['verdict.reason == "token_expired"', 'quarantine', { reasons: ['token_revoked'] }],
  ]
  for (const [when, action, more] of cases) {
    const error = refusal({ rules: [{ name: 'r', when, action, ...more }] })
    assert.equal(error.code, 'QIP_POLICY_NOT_NAMED', when)
    assert.ok(error.next)
  }
})

test('compiles rules that exclude verdicts, reject them or name them', () => {
  const rules: Record<string, unknown>[] = [
    { when: '!(verdict.reason in ["token_expired"])', action: 'allow' },
    { when: 'verdict.status != "missing"', action: 'allow' },
    { when: 'verdict.status == "missing"', action: 'reject' },
    { when: 'verdict.status == "missing"', action: 'allow', anonymous: true },
    { when: 'verdict.reason == "ok_shallow" && !verdict.deep', action: 'allow' },
    { when: 'verdict.reason == "trust_stale"', action: 'allow', reasons: ['trust_stale'] },
    { when: 'verdict.status == "unverifiable"', action: 'allow', reasons: ['trust_stale'] },
  ]
  for (const rule of rules) {
    const document = parsePolicy(documentOf({ rules: [{ name: 'r', ...rule }] }))
    assert.doesNotThrow(() => compilePolicy(document), JSON.stringify(rule))
  }
})

test('refuses a policy whose rules together cost too much', () => {
  const when = Array.from({ length: 8 }, () => 'request.path.matches("a")').join(' || ')
  const rules = Array.from({ length: 8 }, (_, n) => ({ name: `r${n}`, when, action: 'reject' }))
  const error = refusal({ rules })
  assert.equal(error.code, 'QIP_POLICY_LIMIT_EXCEEDED')
  assert.equal(error.details.at.path, 'spec.rules')
})
