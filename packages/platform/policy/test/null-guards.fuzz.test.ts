import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Facts, PolicyError, compileCondition } from '../src/index.ts'
import { CelFacts } from '../src/lib/cel-facts.ts'
import { facts } from './samples.ts'

const numRuns = process.env['QIP_TEST_LONG'] === '1' ? 100_000 : 2_000

const atoms = fc.constantFrom(
  'build != null',
  'build == null',
  'null != build.ageS',
  'build.ageS == null',
  'build.ageS > 5',
  'build.ageS == 9',
  'build.ageS != 9',
  'build.binding.startsWith("m")',
  'build.binding == "measured"',
  'build.builder in ["https://a"]',
  'build.builder.endsWith("a")',
  'build.builder == identity',
  'verdict.authenticated',
  'verdict.authenticated == false',
  'verdict.authenticated != true',
  'verdict.status == "verified"',
  'identity.startsWith("spiffe://")',
  'identity.trustDomain.size() > 3',
  '["a"].all(x, identity.contains(x))',
)

const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    atoms,
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a} || ${b})`),
    tie('condition').map((a) => `!(${a})`),
    fc.tuple(tie('condition'), tie('condition'), tie('condition')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
}))

// Facts as a verifier gives them: what the schema ties together is null together.
const requests = fc
  .record({
    authenticated: fc.boolean(),
    build: fc.boolean(),
    ageS: fc.constantFrom(null, 3, 9),
    builder: fc.constantFrom(null, 'https://a'),
  })
  .map(({ authenticated, build, ageS, builder }): Facts => {
    const replaced: Partial<Facts> = {
      build: build ? 'ab' : null,
      'build.binding': build ? 'measured' : null,
      'build.ageS': ageS,
      'build.builder': builder,
    }
    return facts(authenticated ? 'ok' : 'token_expired', replaced)
  })

function compiled(text: string): ReturnType<typeof compileCondition> | undefined {
  try {
    return compileCondition(text, { path: 'spec.rules[0].when' })
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error))
    return undefined
  }
}

test('accepts no condition that a null could make fail', () => {
  let accepted = 0
  fc.assert(
    fc.property(condition, fc.array(requests, { minLength: 4, maxLength: 8 }), (text, requests) => {
      const found = compiled(text)
      if (found === undefined) return
      accepted++
      for (const request of requests)
        assert.equal(typeof found.evaluate(new CelFacts(request)), 'boolean', text)
    }),
    { numRuns },
  )
  assert.ok(accepted > numRuns / 20, `${accepted} of ${numRuns} were accepted`)
})
