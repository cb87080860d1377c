import assert from 'node:assert/strict'
import { test } from 'node:test'
import { documentOf, facts, nowMs, policyOf } from '../test/samples.ts'
import { type Facts, PolicyError, compilePolicy, decide, explainDecision, parsePolicy } from './index.ts'

const nowS = nowMs / 1_000
const dayS = 86_400

function inDays(days: number): string {
  return new Date(nowMs + days * dayS * 1_000).toISOString().replace('.000Z', 'Z')
}

const exception = {
  name: 'cutover',
  owner: 'team-payroll',
  reason: 'the registry moves, CHG-1234',
  expires: inDays(1),
  when: 'request.route == "shop"',
  action: 'allow',
}
const closing = { name: 'closed', when: 'true', action: 'reject' }

function policyWith(replaced: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return policyOf({ exceptions: [{ ...exception, ...replaced }], rules: [closing], ...more })
}

test('lets an exception decide before the rules, until its end', () => {
  const policy = policyWith({})
  const cases: [Partial<Facts>, string][] = [
    [{}, 'allow exception cutover team-payroll'],
    [{ 'env.timeS': nowS + dayS - 1 }, 'allow exception cutover team-payroll'],
    [{ 'env.timeS': nowS + dayS }, 'reject rule - -'],
    [{ 'env.timeS': nowS - 29 * dayS }, 'allow exception cutover team-payroll'],
    [{ 'env.timeS': nowS - 30 * dayS }, 'reject rule - -'],
    [{ 'request.route': 'other' }, 'reject rule - -'],
  ]
  for (const [replaced, expected] of cases) {
    const { action, reason, exception: used } = decide(policy, facts('ok', replaced))
    assert.equal(`${action} ${reason} ${used?.name ?? '-'} ${used?.owner ?? '-'}`, expected)
  }
})

test('ends every exception where facts have no time', () => {
  const { 'env.timeS': _, ...timeless } = facts('ok')
  assert.equal(decide(policyWith({}), timeless as Facts).reason, 'rule')
})

test('passes over an exception whose condition fails: the rules decide', () => {
  const policy = policyWith({ when: 'identity.chain[4] == "x"' })
  assert.equal(decide(policy, facts('ok')).rule, 'closed')
})

function reading(more: Record<string, unknown>) {
  return policyWith({ when: 'request.method == "GET"', ...more })
}

test('never lets an exception speak for a verdict that it does not name', () => {
  assert.equal(decide(reading({}), facts('token_absent')).exception, null)
  assert.equal(decide(reading({}), facts('trust_stale')).exception, null)
  assert.equal(decide(reading({}), facts('ok_shallow')).exception, null)
  assert.equal(
    decide(reading({ reasons: ['trust_stale'] }), facts('trust_stale', {}, { authenticated: true })).action,
    'allow',
  )
  assert.equal(decide(reading({ anonymous: true }), facts('token_absent')).action, 'allow')
  assert.equal(decide(reading({ anonymous: true }), facts('overloaded')).action, 'reject')
})

test('quarantines by exception, in its own place', () => {
  const policy = policyWith({ action: 'quarantine', quarantine: { upstream: 'sandbox' } })
  const { action, quarantine } = decide(policy, facts('ok'))
  assert.deepEqual([action, quarantine], ['quarantine', { kind: 'upstream', upstream: 'sandbox' }])
})

test('explains exceptions with owner, reason and end, and which of them has ended', () => {
  const policy = policyOf({
    exceptions: [
      { ...exception, name: 'gone', expires: inDays(-1) },
      { ...exception, name: 'far', expires: inDays(40) },
      exception,
    ],
    rules: [closing],
  })
  const { exceptions, rules } = explainDecision(policy, facts('ok'))
  assert.deepEqual(
    exceptions.map(({ name, outcome, owner }) => [name, outcome, owner]),
    [
      ['gone', 'ended', 'team-payroll'],
      ['far', 'ended', 'team-payroll'],
      ['cutover', 'decided', 'team-payroll'],
    ],
  )
  assert.equal(exceptions[2]?.expiresMs, nowMs + dayS * 1_000)
  assert.deepEqual(exceptions[2]?.facts, { 'request.route': 'shop' })
  assert.equal(rules[0]?.outcome, 'held')
})

function refusal(replaced: Record<string, unknown>, all: readonly unknown[] = []): PolicyError {
  const document = documentOf({ exceptions: [{ ...exception, ...replaced }, ...all] })
  try {
    compilePolicy(parsePolicy(document, { nowMs }))
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error))
    return error
  }
  return assert.fail(`accepted: ${JSON.stringify(replaced)}`)
}

test('refuses an exception without owner, reason, end or condition, or that closes instead of opening', () => {
  const cases: [Record<string, unknown>, string, string][] = [
    ...['name', 'owner', 'reason', 'expires', 'when', 'action'].map(
      (key): [Record<string, unknown>, string, string] => [
        Object.fromEntries([[key, undefined]]),
        'QIP_POLICY_VALUE_INVALID',
        `spec.exceptions[0].${key}`,
      ],
    ),
    [{ action: 'reject' }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].action'],
    [{ owner: '' }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].owner'],
    [{ deferred: true }, 'QIP_POLICY_KEY_UNKNOWN', 'spec.exceptions[0].deferred'],
    [{ expires: '2026-12-01' }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].expires'],
    [{ expires: '2026-06-31T00:00:00Z' }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].expires'],
    [{ expires: '2026-12-01T25:00:00Z' }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].expires'],
    [{ expires: '2026-12-01T10:00:00' }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].expires'],
    [{ expires: 1_800_000_000 }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].expires'],
    [{ expires: inDays(31) }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].expires'],
    [{ quarantine: { upstream: 'sandbox' } }, 'QIP_POLICY_VALUE_INVALID', 'spec.exceptions[0].quarantine'],
    [{ anonymous: true, action: 'quarantine' }, 'QIP_POLICY_NOT_NAMED', 'spec.exceptions[0]'],
    [{ reasons: ['token_absent'] }, 'QIP_POLICY_NOT_NAMED', 'spec.exceptions[0]'],
    [{ reasons: ['overloaded'] }, 'QIP_POLICY_NOT_NAMED', 'spec.exceptions[0]'],
    [{ when: 'verdict.reason == "token_expired"' }, 'QIP_POLICY_NOT_NAMED', 'spec.exceptions[0].when'],
    [{ when: 'buidl == null' }, 'QIP_POLICY_FACT_UNKNOWN', 'spec.exceptions[0].when'],
  ]
  for (const [replaced, code, path] of cases) {
    const error = refusal(replaced)
    assert.deepEqual([error.code, error.details.at.path], [code, path], JSON.stringify(replaced))
  }
  assert.equal(refusal({}, [exception]).code, 'QIP_POLICY_VALUE_INVALID')
  const many = Array.from({ length: 20 }, (_, n) => ({ ...exception, name: `e${n}` }))
  assert.equal(refusal({}, many).code, 'QIP_POLICY_LIMIT_EXCEEDED')
})

function read(expires: string): number | undefined {
  return parsePolicy(documentOf({ exceptions: [{ ...exception, expires }] }), { nowMs }).exceptions[0]
    ?.expiresMs
}

test('takes an end with an offset, and one that has passed', () => {
  assert.equal(read('2026-12-01T18:00:00+02:00'), Date.UTC(2026, 11, 1, 16))
  assert.equal(read(inDays(-400)), nowMs - 400 * dayS * 1_000)
  assert.equal(read(inDays(30)), nowMs + 30 * dayS * 1_000)
})
