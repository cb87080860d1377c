import { test } from 'node:test'
import assert from 'node:assert/strict'
import { build, builderId, rule, service } from '../test/shop.ts'
import { type AdmissionRuleText, decideAdmission, parseAdmissionRules } from './admission-rules.ts'
import type { BuildFacts } from './build-facts.ts'

const facts: BuildFacts = {
  build,
  subject: 'shop-1.2.3.tgz',
  builder: builderId,
  buildType: 'https://ci.acme.example/npm-package/v1',
  source: { uri: 'git+https://git.acme.example/shop/checkout', ref: 'refs/tags/v1', digest: new Map() },
  slsaLevel: 2,
}

const decide = (list: readonly AdmissionRuleText[], change: Partial<BuildFacts> = {}, as = service) =>
  decideAdmission(parseAdmissionRules(list), as, { ...facts, ...change })

test('a build is admitted by the first rule that holds', () => {
  const other = { ...rule, builder: 'https://other.example' }
  assert.deepEqual(decide([other, { ...rule, name: 'shops' }, rule]), {
    admitted: true,
    rule: 'rule `shops`',
    reason: 'rule `shops` admits it',
  })
})

test('without rules nothing is admitted', () => {
  assert.deepEqual(decide([]), {
    admitted: false,
    criterion: 'service',
    reason: `no rule is for service \`${service}\``,
  })
})

test('where no rule is for the service, the reason names the nearest one', () => {
  const decision = decide([rule], {}, 'spiffe://acme.example/ns/prod/sb/x')
  assert.equal(decision.admitted, false)
  assert.match(decision.reason, /the nearest is for `spiffe:\/\/acme\.example\/ns\/prod\/sa\/\*`$/)
})

const strict: AdmissionRuleText = { ...rule, ref: 'refs/tags/*', slsaLevel: 2 }
const { subject: _, ...nameless } = facts
const check = (of: BuildFacts) => decideAdmission(parseAdmissionRules([rule]), service, of)
const misses: readonly (readonly [criterion: string, change: Partial<BuildFacts>, reason: string])[] = [
  [
    'builder',
    { builder: 'https://laptop.example' },
    `rule 1 asks for builder \`${builderId}\`, the build has \`https://laptop.example\``,
  ],
  [
    'source',
    { source: { uri: 'git+https://git.acme.example/shop/a/b', digest: new Map() } },
    'rule 1 asks for source `git+https://git.acme.example/shop/*`, the build has `git+https://git.acme.example/shop/a/b`',
  ],
  ['subject', { subject: 'shop.zip' }, 'rule 1 asks for subject name `shop-*.tgz`, the build has `shop.zip`'],
  [
    'ref',
    { source: { uri: 'git+https://git.acme.example/shop/checkout', digest: new Map() } },
    'rule 1 asks for source revision `refs/tags/*`, the build names no source revision',
  ],
  ['slsaLevel', { slsaLevel: 1 }, 'rule 1 asks for SLSA build level `2`, the build has `1`'],
]
for (const [criterion, change, reason] of misses) {
  test(`a rule that fails on the ${criterion} says what it asked for`, () => {
    assert.deepEqual(decide([strict], change), { admitted: false, rule: 'rule 1', criterion, reason })
  })
}

test('a build without source or subject holds no rule that asks for one', () => {
  const { source: _, ...sourceless } = facts
  assert.deepEqual(
    [check(facts).admitted, check(sourceless).admitted, check(nameless).admitted],
    [true, false, false],
  )
})

test('the reason names the rule that came nearest', () => {
  const decision = decide([
    { ...rule, builder: 'https://other.example' },
    { ...rule, source: 'git+https://git.acme.example/shop/cart', subject: undefined },
    { ...rule, source: undefined, subject: 'cart-*' },
  ])
  assert.deepEqual(!decision.admitted && [decision.rule, decision.criterion], ['rule 3', 'subject'])
})

test('a rule asks only for what it names', () => {
  assert.equal(decide([{ service: '**', builder: '**' }], { source: undefined as never }).admitted, true)
})

test('long facts are cut in reasons', () => {
  const decision = decide([rule], { builder: `https://${'x'.repeat(2_000)}` })
  assert.ok(decision.reason.length < 500)
})

test('refuses patterns that are none, and too many rules', () => {
  for (const member of ['service', 'builder', 'source', 'subject', 'ref'] as const) {
    assert.throws(() => parseAdmissionRules([rule, { ...rule, [member]: 'a***b' }]), {
      code: 'QIP_ATTESTATION_RULE_MALFORMED',
      details: { rule: 'rule 2', member, reason: 'is not a pattern: it has `***`' },
    })
  }
  const many = Array.from({ length: 10_001 }, () => rule)
  assert.throws(() => parseAdmissionRules(many), { code: 'QIP_ATTESTATION_RULE_MALFORMED' })
})
