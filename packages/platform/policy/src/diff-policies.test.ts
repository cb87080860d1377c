import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policyOf } from '../test/samples.ts'
import { diffPolicies } from './index.ts'

const rules = [
  { name: 'old-builds', when: 'request.host == "old"', action: 'quarantine' },
  { name: 'writes', when: 'request.method == "POST"', action: 'reject' },
]

test('two policies that mean the same have no difference', () => {
  const spaced = rules.map((rule) => ({ ...rule, when: rule.when.replaceAll(' ', '  ') }))
  assert.deepEqual(diffPolicies(policyOf({ rules }).document, policyOf({ rules: spaced }).document), [])
})

test('rules are compared by name: added, removed, changed and moved', () => {
  const [first, second] = rules
  const after = policyOf({
    rules: [
      { ...second, action: 'quarantine' },
      { ...first },
      { name: 'reads', when: 'request.method == "GET"', action: 'reject' },
    ],
  })
  const changes = diffPolicies(policyOf({ rules }).document, after.document)
  assert.deepEqual(
    changes.map(({ kind, what }) => `${kind} ${what}`),
    ['changed rule writes', 'added rule reads', 'moved rule writes', 'moved rule old-builds'],
  )
  const back = diffPolicies(after.document, policyOf({ rules }).document)
  assert.ok(
    back.some(({ kind, what, after: is }) => kind === 'removed' && what === 'rule reads' && is === undefined),
  )
})

test('the mode and the defaults are compared by what they are', () => {
  const before = policyOf({ mode: 'monitor' })
  const after = policyOf({
    mode: 'canary: 5%',
    default: { verified: 'quarantine', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
  })
  const changes = diffPolicies(before.document, after.document)
  assert.deepEqual(changes[0], { kind: 'changed', what: 'mode', before: 'monitor', after: 'canary 5%' })
  assert.ok(changes.some(({ what }) => what === 'default verified'))
})
