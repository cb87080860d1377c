import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, policyOf } from '../test/samples.ts'
import { type Facts, findCounterfactuals, sampleFacts } from './index.ts'

function told(spec: Record<string, unknown>, replaced: Partial<Facts>): string[] {
  return findCounterfactuals(policyOf(spec), sampleFacts(replaced)).map(
    ({ action, changes, rule, reason }) => {
      const changed = changes.map(
        ({ fact, from, to }) => `${fact} ${JSON.stringify(from)} ${JSON.stringify(to)}`,
      )
      return `${action} by ${rule ?? reason}: ${changed.join(', ')}`
    },
  )
}

const old = { name: 'old', when: 'build == null || build.slsaLevel < 3', action: 'quarantine' }
const rules = [
  { name: 'writes', when: 'request.method == "POST" && request.path.startsWith("/admin")', action: 'reject' },
  old,
]

test('finds the smallest change of one fact for each other action', () => {
  assert.deepEqual(told({ rules }, { 'build.slsaLevel': 2 }), [
    'allow by default: build.slsaLevel 2 3',
    'reject by writes: request.method "GET" "POST", request.path "/" "/admin"',
  ])
})

test('finds changes of two facts where no single one would do', () => {
  const two = [
    { name: 'a', when: 'build.slsaLevel < 3', action: 'reject' },
    { name: 'b', when: 'request.method == "DELETE"', action: 'reject' },
  ]
  assert.deepEqual(told({ rules: two }, { 'build.slsaLevel': 0, 'request.method': 'DELETE' }), [
    'allow by default: build.slsaLevel 0 3, request.method "DELETE" "GET"',
  ])
})

test('asks for a good token where the verdict is what is wrong, with what follows from it', () => {
  const [first] = findCounterfactuals(policyOf({}), sampleFacts({ 'verdict.reason': 'token_expired' }))
  assert.deepEqual(first?.changes, [{ fact: 'verdict.reason', from: 'token_expired', to: 'ok' }])
  assert.deepEqual(first.implied.slice(0, 2), [
    { fact: 'verdict.status', from: 'invalid', to: 'verified' },
    { fact: 'verdict.authenticated', from: false, to: true },
  ])
})

test('reads comparisons, lists, prefixes, sums and null', () => {
  const cases: [string, Partial<Facts>, string][] = [
    [
      'build.ageS == null || build.ageS > 7 * 24 * 3600',
      { 'build.ageS': 700_000 },
      'build.ageS 700000 604800',
    ],
    ['!(request.method in ["PUT", "PATCH"])', {}, 'request.method "GET" "PUT"'],
    ['!["/a", "/b"].exists(p, request.path.startsWith(p))', {}, 'request.path "/" "/a"'],
    ['env.incident', { 'env.incident': true }, 'env.incident true false'],
    ['env.tier != "low"', {}, 'env.tier null "low"'],
    ['request.mtls == null', {}, 'request.mtls null'],
    ['!("spiffe://a.example/x" in identity.chain)', {}, 'identity.chain [] ["spiffe://a.example/x"]'],
    ['verdict.deep', {}, 'verdict.deep true false'],
    ['env.point == env.service', { 'env.service': 'edge-1' }, 'env.'],
  ]
  for (const [when, replaced, expected] of cases) {
    const shallow = { ...closed, ok_shallow: 'allow' }
    const all = told({ default: shallow, rules: [{ name: 'r', when, action: 'reject' }] }, replaced)
    assert.ok(
      all.some((one) => one.includes(`default: ${expected}`)),
      `${when}: ${all.join('; ')}`,
    )
  }
})

test('offers nothing that no change of facts could do', () => {
  assert.deepEqual(told({ rules: [{ name: 'all', when: 'true', action: 'reject' }] }, {}), [])
})
