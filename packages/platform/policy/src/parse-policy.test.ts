import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, documentOf } from '../test/samples.ts'
import { PolicyError, type PolicyErrorDetails, parsePolicy } from './index.ts'

type Code = keyof PolicyErrorDetails

function refusal(
  value: unknown,
  locate?: (path: string) => { line: number; column: number } | undefined,
): PolicyError {
  try {
    parsePolicy(value, locate === undefined ? {} : { locate })
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error))
    return error
  }
  return assert.fail('the policy was accepted')
}

function rule(members: Record<string, unknown>): unknown {
  return documentOf({ rules: [{ name: 'r', when: 'true', action: 'reject', ...members }] })
}

test('reads the policy of the design document', () => {
  const policy = parsePolicy({
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'default', version: 3 },
    spec: {
      mode: 'monitor',
      rules: [
        {
          name: 'unattested-builds',
          when: 'verdict.status == "verified" && (build == null || build.slsaLevel < 3)',
          action: 'quarantine',
        },
      ],
      default: closed,
    },
  })
  assert.equal(policy.name, 'default')
  assert.equal(policy.version, 3)
  assert.equal(policy.mode, 'monitor')
  assert.deepEqual(policy.quarantine, { kind: 'share', percent: 1 })
  assert.deepEqual(policy.rules[0], {
    name: 'unattested-builds',
    when: 'verdict.status == "verified" && (build == null || build.slsaLevel < 3)',
    reasons: null,
    anonymous: false,
    action: 'quarantine',
    deferred: false,
    quarantine: null,
  })
  assert.equal(policy.defaults.byStatus.verified.action, 'allow')
  assert.equal(policy.defaults.byStatus.unverifiable.action, 'reject')
})

test('reads each form of a mode', () => {
  const forms: [unknown, string, number | null][] = [
    ['monitor', 'monitor', null],
    ['enforce', 'enforce', null],
    ['canary: 5%', 'canary', 5],
    ['canary:5%', 'canary', 5],
    [{ canary: '0.25%' }, 'canary', 0.25],
    [{ canary: '100%' }, 'canary', 100],
  ]
  for (const [mode, name, percent] of forms) {
    const policy = parsePolicy(documentOf({ mode }))
    assert.deepEqual([policy.mode, policy.canaryPercent], [name, percent], JSON.stringify(mode))
  }
})

test('reads each form of a quarantine', () => {
  const forms: [unknown, unknown][] = [
    [{ upstream: 'sandbox' }, { kind: 'upstream', upstream: 'sandbox' }],
    [
      { rate: '10/s', concurrency: 4 },
      { kind: 'limit', ratePerS: 10, concurrency: 4 },
    ],
    [{ share: '2.5%' }, { kind: 'share', percent: 2.5 }],
  ]
  for (const [quarantine, read] of forms) {
    assert.deepEqual(parsePolicy(documentOf({ quarantine })).quarantine, read)
    assert.deepEqual(parsePolicy(rule({ action: 'quarantine', quarantine })).rules[0]?.quarantine, read)
  }
})

test('refuses what is not spelled out by default', () => {
  const { byStatus } = parsePolicy(documentOf({ default: { verified: 'allow' } })).defaults
  assert.deepEqual(
    [byStatus.missing.action, byStatus.invalid.action, byStatus.unverifiable.action],
    ['reject', 'reject', 'reject'],
  )
})

test('names the nearest known key and the path of an unknown one', () => {
  const cases: [unknown, string, string | undefined][] = [
    [{ ...(documentOf({}) as object), apiversion: 1 }, 'apiversion', 'apiVersion'],
    [documentOf({ rule: [] }), 'spec.rule', 'rules'],
    [
      documentOf({ rules: [{ name: 'a', when: 'true', action: 'reject' }, { wen: 'true' }] }),
      'spec.rules[1].wen',
      'when',
    ],
    [documentOf({ default: { ...closed, verifed: 'allow' } }), 'spec.default.verifed', 'verified'],
    [
      documentOf({ default: { ...closed, token_expird: 'allow' } }),
      'spec.default.token_expird',
      'token_expired',
    ],
    [documentOf({ mode: { canry: '5%' } }), 'spec.mode.canry', 'canary'],
    [documentOf({ quarantine: { upstrem: 'x' } }), 'spec.quarantine.upstrem', 'upstream'],
    [JSON.parse('{"__proto__": 1}'), '__proto__', undefined],
  ]
  for (const [value, path, nearest] of cases) {
    const error = refusal(value)
    assert.equal(error.code, 'QIP_POLICY_KEY_UNKNOWN', path)
    const details = error.details as PolicyErrorDetails['QIP_POLICY_KEY_UNKNOWN']
    assert.deepEqual([details.at.path, details.nearest], [path, nearest])
    if (nearest !== undefined) assert.match(error.message, new RegExp(`nearest known one is \`${nearest}\``))
  }
})

test('says line and column where the reader of the text knows them', () => {
  const error = refusal(documentOf({ rules: [{ wen: 'x' }] }), (path) =>
    path === 'spec.rules[0].wen' ? { line: 9, column: 7 } : undefined,
  )
  assert.deepEqual((error.details as PolicyErrorDetails['QIP_POLICY_KEY_UNKNOWN']).at, {
    path: 'spec.rules[0].wen',
    line: 9,
    column: 7,
  })
  assert.match(error.message, /line 9, column 7/)
})

const metadata = (members: object): unknown => ({ ...(documentOf({}) as object), metadata: members })

test('refuses malformed documents with code and path', () => {
  const cases: [string, unknown, Code, string][] = [
    ['null', null, 'QIP_POLICY_VALUE_INVALID', ''],
    ['a list', [], 'QIP_POLICY_VALUE_INVALID', ''],
    [
      'another version',
      { ...(documentOf({}) as object), apiVersion: 'v2' },
      'QIP_POLICY_VALUE_INVALID',
      'apiVersion',
    ],
    ['another kind', { ...(documentOf({}) as object), kind: 'Polcy' }, 'QIP_POLICY_VALUE_INVALID', 'kind'],
    ['no kind', { apiVersion: 'quantum-ip.dev/v1' }, 'QIP_POLICY_KEY_MISSING', ''],
    ['no name', metadata({ version: 1 }), 'QIP_POLICY_KEY_MISSING', 'metadata'],
    [
      'a name with spaces',
      metadata({ name: 'a b', version: 1 }),
      'QIP_POLICY_VALUE_INVALID',
      'metadata.name',
    ],
    [
      'a name of 64',
      metadata({ name: 'a'.repeat(64), version: 1 }),
      'QIP_POLICY_LIMIT_EXCEEDED',
      'metadata.name',
    ],
    ['version 0', metadata({ name: 'a', version: 0 }), 'QIP_POLICY_VALUE_INVALID', 'metadata.version'],
    [
      'a version as text',
      metadata({ name: 'a', version: '3' }),
      'QIP_POLICY_VALUE_INVALID',
      'metadata.version',
    ],
    ['no mode', documentOf({ mode: undefined }), 'QIP_POLICY_VALUE_INVALID', 'spec.mode'],
    ['an unknown mode', documentOf({ mode: 'enfroce' }), 'QIP_POLICY_VALUE_INVALID', 'spec.mode'],
    ['a canary of nothing', documentOf({ mode: 'canary: 0%' }), 'QIP_POLICY_VALUE_INVALID', 'spec.mode'],
    [
      'a canary of 101 %',
      documentOf({ mode: { canary: '101%' } }),
      'QIP_POLICY_VALUE_INVALID',
      'spec.mode.canary',
    ],
    [
      'a canary as number',
      documentOf({ mode: { canary: 5 } }),
      'QIP_POLICY_VALUE_INVALID',
      'spec.mode.canary',
    ],
    ['a bare share', documentOf({ mode: '5%' }), 'QIP_POLICY_VALUE_INVALID', 'spec.mode'],
    ['rules as object', documentOf({ rules: {} }), 'QIP_POLICY_VALUE_INVALID', 'spec.rules'],
    [
      '101 rules',
      documentOf({ rules: Array.from({ length: 101 }, () => 0) }),
      'QIP_POLICY_LIMIT_EXCEEDED',
      'spec.rules',
    ],
    ['an unknown action', rule({ action: 'deny' }), 'QIP_POLICY_VALUE_INVALID', 'spec.rules[0].action'],
    [
      'a rule without condition',
      documentOf({ rules: [{ name: 'r', action: 'reject' }] }),
      'QIP_POLICY_KEY_MISSING',
      'spec.rules[0]',
    ],
    ['a long condition', rule({ when: 'x'.repeat(2049) }), 'QIP_POLICY_LIMIT_EXCEEDED', 'spec.rules[0].when'],
    [
      'an unknown reason',
      rule({ reasons: ['token_expird'] }),
      'QIP_POLICY_VALUE_INVALID',
      'spec.rules[0].reasons[0]',
    ],
    ['no reasons', rule({ reasons: [] }), 'QIP_POLICY_VALUE_INVALID', 'spec.rules[0].reasons'],
    ['deferred reject', rule({ deferred: true }), 'QIP_POLICY_VALUE_INVALID', 'spec.rules[0].deferred'],
    [
      'a target without quarantine',
      rule({ quarantine: { share: '1%' } }),
      'QIP_POLICY_VALUE_INVALID',
      'spec.rules[0].quarantine',
    ],
    [
      'a rate alone',
      documentOf({ quarantine: { rate: '1/s' } }),
      'QIP_POLICY_KEY_MISSING',
      'spec.quarantine',
    ],
    [
      'two targets',
      documentOf({ quarantine: { upstream: 'a', share: '1%' } }),
      'QIP_POLICY_VALUE_INVALID',
      'spec.quarantine',
    ],
    [
      'a rate of nothing',
      documentOf({ quarantine: { rate: '0/s', concurrency: 1 } }),
      'QIP_POLICY_VALUE_INVALID',
      'spec.quarantine.rate',
    ],
    ['no default', documentOf({ default: undefined }), 'QIP_POLICY_VALUE_INVALID', 'spec.default'],
    [
      'a default without verified',
      documentOf({ default: { missing: 'reject' } }),
      'QIP_POLICY_KEY_MISSING',
      'spec.default',
    ],
    ['anonymous as text', documentOf({ anonymous: 'yes' }), 'QIP_POLICY_VALUE_INVALID', 'spec.anonymous'],
  ]
  for (const [title, value, code, path] of cases) {
    const error = refusal(value)
    assert.equal(error.code, code, title)
    assert.equal(error.details.at.path, path, title)
  }
})

test('refuses two rules of one name', () => {
  const twice = { name: 'same', when: 'true', action: 'reject' }
  const error = refusal(documentOf({ rules: [twice, twice] }))
  assert.equal(error.code, 'QIP_POLICY_VALUE_INVALID')
  assert.equal(error.details.at.path, 'spec.rules[1]')
})

test('refuses what lets through by omission what must be let through by name', () => {
  const cases: [string, unknown, string][] = [
    ['missing: allow', documentOf({ default: { ...closed, missing: 'allow' } }), 'spec.default.missing'],
    [
      'missing: allow in a canary',
      documentOf({ mode: 'canary: 1%', default: { ...closed, missing: 'allow' } }),
      'spec.default.missing',
    ],
    [
      'token_absent: allow',
      documentOf({ default: { ...closed, token_absent: 'allow' } }),
      'spec.default.token_absent',
    ],
    [
      'missing: quarantine',
      documentOf({ anonymous: true, default: { ...closed, missing: 'quarantine' } }),
      'spec.default.missing',
    ],
    [
      'invalid: allow',
      documentOf({ anonymous: true, default: { ...closed, invalid: 'allow' } }),
      'spec.default.invalid',
    ],
    [
      'invalid: quarantine',
      documentOf({ default: { ...closed, invalid: 'quarantine' } }),
      'spec.default.invalid',
    ],
    [
      'unverifiable: allow',
      documentOf({ default: { ...closed, unverifiable: 'allow' } }),
      'spec.default.unverifiable',
    ],
    [
      'unverifiable: allow in monitor',
      documentOf({ mode: 'monitor', default: { ...closed, unverifiable: 'allow' } }),
      'spec.default.unverifiable',
    ],
    [
      'overloaded: allow',
      documentOf({ default: { ...closed, overloaded: 'allow' } }),
      'spec.default.overloaded',
    ],
    ['a rule that allows overloaded', rule({ reasons: ['overloaded'], action: 'allow' }), 'spec.rules[0]'],
    [
      'a rule that quarantines overloaded',
      rule({ reasons: ['overloaded'], action: 'quarantine' }),
      'spec.rules[0]',
    ],
    ['a rule that allows the absent', rule({ reasons: ['token_absent'], action: 'allow' }), 'spec.rules[0]'],
    ['an anonymous quarantine', rule({ anonymous: true, action: 'quarantine' }), 'spec.rules[0]'],
  ]
  for (const [title, value, path] of cases) {
    const error = refusal(value)
    assert.equal(error.code, 'QIP_POLICY_NOT_NAMED', title)
    assert.equal(error.details.at.path, path, title)
    assert.ok(error.next, title)
  }
})

test('accepts the same where it is named', () => {
  const documents = [
    documentOf({ anonymous: true, default: { ...closed, missing: 'allow' } }),
    documentOf({ mode: 'monitor', default: { ...closed, missing: 'allow' } }),
    documentOf({ anonymous: true, default: { ...closed, token_absent: 'allow' } }),
    documentOf({ default: { ...closed, token_stripped: 'quarantine', attestation_stale: 'allow' } }),
    documentOf({ default: { ...closed, overloaded: 'reject' } }),
    rule({ reasons: ['token_absent'], action: 'allow', anonymous: true }),
    rule({ reasons: ['attestation_unavailable'], action: 'allow' }),
    documentOf({ rules: [{ name: 'r', reasons: ['token_expired'], action: 'quarantine' }] }),
  ]
  for (const document of documents) assert.doesNotThrow(() => parsePolicy(document))
})
