import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  type Facts,
  compilePolicy,
  decide,
  findCounterfactuals,
  parsePolicy,
  sampleFacts,
} from '../src/index.ts'
import { allReasons } from '../src/verdict-reasons.ts'
import { closed, documentOf } from './samples.ts'

const numRuns = process.env['QIP_TEST_LONG'] === '1' ? 20_000 : 400

const atoms = fc.constantFrom(
  'build == null',
  'build.slsaLevel < 3',
  'build.slsaLevel >= 2',
  'build.ageS != null && build.ageS < 24 * 3600',
  'request.method == "POST"',
  'request.method in ["PUT", "DELETE"]',
  'request.path.startsWith("/admin")',
  'request.path.matches("^/api/v[0-9]+/")',
  '["/a", "/b"].exists(p, request.path.startsWith(p))',
  'env.incident',
  'env.tier == "critical"',
  'verdict.deep',
  'identity != null && identity.startsWith("spiffe://example.org/ns/prod/")',
  'identity.chain.exists(hop, hop == "spiffe://example.org/ns/a/sa/b")',
  'size(identity.chain) > 1',
  'identity.chain[2] == "x"',
  'request.jwt != null && request.jwt.issuer == "https://idp.example"',
)
const condition = fc
  .array(fc.tuple(atoms, fc.boolean()), { minLength: 1, maxLength: 3 })
  .chain((terms) =>
    fc
      .constantFrom(' && ', ' || ')
      .map((join) => terms.map(([atom, not]) => `${not ? '!' : ''}(${atom})`).join(join)),
  )
const rule = fc.record({ when: condition, action: fc.constantFrom('allow', 'reject', 'quarantine') })
const replaced = fc.record(
  {
    'verdict.reason': fc.constantFrom(...allReasons),
    build: fc.constant(null),
    'build.slsaLevel': fc.nat(4),
    'build.ageS': fc.nat(200_000),
    'request.method': fc.constantFrom('GET', 'POST', 'PUT'),
    'request.path': fc.constantFrom('/', '/admin/x', '/a/1', '/api/v1/x'),
    'env.incident': fc.boolean(),
    'env.tier': fc.constantFrom('critical', 'low', null),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Partial<Facts>>

test('gives the action that each suggestion says, when it is applied', () => {
  let suggestions = 0
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 5 }), replaced, (drawn, more) => {
      const rules = drawn.map((one, at) => ({ name: `r${at}`, ...one }))
      const policy = compilePolicy(parsePolicy(documentOf({ default: closed, rules })))
      const facts = sampleFacts(more)
      const before = decide(policy, facts).wouldBe
      for (const { changes, implied, action, rule: by } of findCounterfactuals(policy, facts)) {
        const applied: Record<string, unknown> = { ...facts }
        for (const { fact, from, to } of [...changes, ...implied]) {
          assert.deepEqual(applied[fact], from)
          applied[fact] = to
        }
        const after = decide(policy, applied as unknown as Facts)
        assert.deepEqual([after.wouldBe, after.rule], [action, by])
        assert.notEqual(action, before)
        suggestions++
      }
    }),
    { numRuns },
  )
  assert.ok(suggestions > numRuns / 2, `${suggestions} suggestions`)
})
