import assert from 'node:assert/strict'
import { test } from 'node:test'
import { facts } from '../test/samples.ts'
import { type Facts, PolicyError, type PolicyErrorDetails, compileCondition } from './index.ts'
import { CelFacts } from './lib/cel-facts.ts'

const at = { path: 'spec.rules[0].when' }

function evaluate(text: string, replaced: Partial<Facts> = {}): boolean | Error {
  return compileCondition(text, at).evaluate(new CelFacts(facts('ok', replaced)))
}

function refusal(text: string): PolicyError {
  try {
    compileCondition(text, at)
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error))
    return error
  }
  return assert.fail(`accepted: ${text}`)
}

test('evaluates conditions over facts', () => {
  const cases: [string, boolean, Partial<Facts>?][] = [
    ['true', true],
    ['verdict.status == "verified" && (build == null || build.slsaLevel < 3)', false],
    [
      'verdict.status == "verified" && (build == null || build.slsaLevel < 3)',
      true,
      { 'build.slsaLevel': 2 },
    ],
    ['verdict.status == "verified" && (build == null || build.slsaLevel < 3)', true, { build: null }],
    ['!verdict.deep', false],
    ['verdict.deep ? request.method == "GET" : false', true],
    ['request.method in ["GET", "HEAD"]', true],
    ['!(request.method in ["POST"])', true],
    ['request.path.startsWith("/api/")', true],
    ['request.path.endsWith("/123") && request.path.contains("/users/")', true],
    ['request.path.matches("^/api/v[0-9]+/users/[^/]+$")', true],
    ['request.path.matches("(a+)+$")', true, { 'request.path': 'a'.repeat(40) }],
    ['size(request.path) > 3 && request.path.size() < 100', true],
    ['["/x", "/api"].exists(p, request.path.startsWith(p))', true],
    [
      'identity.chain.all(hop, hop.startsWith("spiffe://acme.example/"))',
      true,
      { 'identity.chain': ['spiffe://acme.example/a'] },
    ],
    [
      'identity.chain.exists_one(hop, hop == "spiffe://acme.example/a")',
      true,
      { 'identity.chain': ['spiffe://acme.example/a'] },
    ],
    ['size(identity.chain) == 0', true],
    ['"spiffe://acme.example/a" in identity.chain', true, { 'identity.chain': ['spiffe://acme.example/a'] }],
    [
      'identity.chain[0] == "spiffe://acme.example/a"',
      true,
      { 'identity.chain': ['spiffe://acme.example/a'] },
    ],
    ['build.ageS != null && build.ageS > 3600 - 1', true],
    ['build.ageS == null || build.ageS < 10 * 60', false],
    ['build.ageS == null || build.ageS < 10 * 60', true, { 'build.ageS': null }],
    ['build.binding in ["measured", "hardware"]', true],
    ['verdict.authenticated && identity.startsWith("spiffe://acme.example/ns/prod/")', true],
    ['verdict.status == "verified" && identity.trustDomain == "spiffe://acme.example"', true],
    ['request.jwt != null && request.jwt.issuer.startsWith("https://")', false],
    [
      'request.jwt != null && request.jwt.issuer.startsWith("https://")',
      true,
      { 'request.jwt': 'a', 'request.jwt.issuer': 'https://idp' },
    ],
    ['env.region == "eu-1" && env.mode == "enforce"', true],
    ['verdict.epoch >= 7 && verdict.epoch < 7.5', true],
    ['identity == "spiffe://acme.example/ns/prod/sa/shop"', true],
  ]
  for (const [text, expected, replaced] of cases) assert.equal(evaluate(text, replaced), expected, text)
})

test('takes a fact that a caller left out for null', () => {
  const { build: _, ...rest } = facts('ok')
  const condition = compileCondition('build == null', at)
  assert.equal(condition.evaluate(new CelFacts(rest as Facts)), true)
})

test('gives an error, never true, where a condition fails to evaluate', () => {
  const cases: [string, Partial<Facts>?][] = [
    ['1 / (verdict.epoch - 7) == 1'],
    ['identity.chain[3] == "x"'],
    ['9223372036854775807 + verdict.epoch > 0'],
    // Facts that break their schema, as a defect elsewhere might.
    ['request.path.startsWith("/")', { 'request.path': 3 as unknown as string }],
    ['build.slsaLevel < 3', { 'build.slsaLevel': Number.NaN }],
    ['build.slsaLevel < 3', { 'build.slsaLevel': null as unknown as number }],
    ['verdict.deep', { 'verdict.deep': 'yes' as unknown as boolean }],
  ]
  for (const [text, replaced] of cases) assert.ok(evaluate(text, replaced) instanceof Error, text)
})

test('names the nearest known fact for an unknown one, and where it stands', () => {
  const cases: [string, string, string | undefined, number][] = [
    ['verdict.staus == "verified"', 'verdict.staus', 'verdict.status', 0],
    ['true && build.slsalevel < 3', 'build.slsalevel', 'build.slsaLevel', 8],
    ['request.jwt.isuer == "x"', 'request.jwt.isuer', 'request.jwt.issuer', 0],
    ['completely.different == 1', 'completely.different', undefined, 0],
    ['has(build.slsa)', 'build.slsa', undefined, 4],
    ['verdict', 'verdict', undefined, 0],
    ['__result__', '__result__', undefined, 0],
    ['constructor', 'constructor', undefined, 0],
  ]
  for (const [text, fact, nearest, offset] of cases) {
    const error = refusal(text)
    assert.equal(error.code, 'QIP_POLICY_FACT_UNKNOWN', text)
    const details = error.details as PolicyErrorDetails['QIP_POLICY_FACT_UNKNOWN']
    assert.deepEqual([details.fact, details.at.path], [fact, at.path])
    if (nearest !== undefined) assert.equal(details.nearest, nearest)
    assert.equal(details.offset, offset, text)
  }
})

test('refuses has() on a fact and names the alternative', () => {
  const cases: [string, string][] = [
    ['has(build.ageS)', '`build.ageS != null`'],
    ['has(build.slsaLevel)', '`build.slsaLevel != 0`'],
    ['has(request.path)', '`request.path != ""`'],
    ['has(verdict.deep)', '`verdict.deep`'],
    ['has(identity.chain)', '`size(identity.chain) > 0`'],
    ['has(build)', '`build != null`'],
  ]
  for (const [text, instead] of cases) {
    const error = refusal(text)
    assert.equal(error.code, 'QIP_POLICY_HAS_REFUSED', text)
    assert.equal(error.next, `write ${instead}`)
  }
})

test('refuses types that do not fit', () => {
  const cases: [string, RegExp][] = [
    ['request.path', /true or false, this is a string/],
    ['1', /true or false/],
    ['null', /null/],
    ['build', /may be null/],
    ['build.slsaLevel == "3"', /an int is never equal to a string/],
    ['verdict.deep == "true"', /never equal/],
    ['request.path < 3', /does not take/],
    ['request.path && true', /expected a bool/],
    ['!build.slsaLevel', /expected a bool/],
    ['request.path.startsWith(3)', /does not take/],
    ['build.slsaLevel.startsWith("3")', /does not take/],
    ['size(build.slsaLevel) > 0', /does not take/],
    ['request.method in "GET"', /looks into a list/],
    ['request.method in [1, 2]', /never in a list of int/],
    ['request.method in ["GET", 1]', /one type/],
    ['build in [null]', /null/],
    ['verdict.deep ? 1 : "a"', /gives an int or a string/],
    ['request.path.exists(x, true)', /goes over a list/],
    ['["a"].exists(x, x)', /expected a bool/],
    ['identity.chain == []', /never equal/],
    ['"a" + 1 == "a1"', /does not take/],
    ['verdict.epoch % 2.0 == 0.0', /does not take/],
    ['size() > 0', /does not take nothing/],
    ['request.method == null', /never null/],
    ['build.slsaLevel == null', /never null/],
    ['(1 + 1) == null', /only a fact can be null/],
    ['identity == request.mtls', /both sides may be null/],
    ['verdict.status == "verifed"', /never `verifed`/],
    ['verdict.reason in ["token_expired", "token_expird"]', /never `token_expird`/],
    ['"enforced" == env.mode', /never `enforced`/],
  ]
  for (const [text, message] of cases) {
    const error = refusal(text)
    assert.equal(error.code, 'QIP_POLICY_CONDITION_TYPE', text)
    assert.match(error.message, message, text)
  }
})

test('refuses a fact that may be null where nothing guards it', () => {
  const refused = [
    'build.ageS > 5',
    'build.ageS > 5 || build.ageS != null',
    'build.ageS != null || build.ageS > 5',
    'build.ageS == null && build.ageS > 5',
    '!(build.ageS == null || true) || build.ageS > 5',
    'identity.startsWith("spiffe://")',
    '!verdict.authenticated && identity.startsWith("spiffe://")',
    'verdict.status == "invalid" && identity.startsWith("spiffe://")',
    'build != null && build.builder.startsWith("https://")',
    'build.binding != "declared" && build.binding.startsWith("m")',
    'request.jwt.issuer.contains("x")',
    '(build.ageS == null ? build.ageS : 3) > 2',
  ]
  for (const text of refused) {
    const error = refusal(text)
    assert.equal(error.code, 'QIP_POLICY_CONDITION_TYPE', text)
    assert.match(error.message, /may be null here/, text)
    assert.match(error.next ?? '', /guard it/)
  }
  const accepted = [
    'build.ageS > 5 && build.ageS != null',
    '(build.ageS != null && build.slsaLevel > 1) && (build.ageS > 5 || verdict.deep)',
    '!(build.ageS == null) && build.ageS > 5',
    '!(build.ageS == null || build.ageS > 5)',
    'build.ageS != null ? build.ageS > 5 : false',
    'build.ageS == null ? false : build.ageS > 5',
    'build.builder in ["https://a", "https://b"] && build.builder.endsWith("a")',
    'build.builder == "https://a" && build.builder.endsWith("a")',
    'verdict.authenticated == true && identity.trustDomain.endsWith("example")',
    'verdict.authenticated != false && identity.trustDomain.endsWith("example")',
    'build != null && build.binding.startsWith("m")',
    'identity != null && identity == request.mtls',
    '["a"].exists(x, build != null && build.contains(x))',
  ]
  for (const text of accepted) assert.doesNotThrow(() => compileCondition(text, at), text)
})

test('refuses what is not CEL, or a part of CEL that policies do not have', () => {
  const malformed = [
    '',
    'verdict.status = "x"',
    'verdict.deep &&',
    '(verdict.deep',
    '"a',
    '{"a": 1}["a"] == 1',
    'b"a" == b"a"',
    '1u == 1u',
    '"x".y == 1',
    '["a"].exists(build, true)',
    '["a"].exists(x, ["b"].exists(x, true))',
    'request.path.matches(request.host)',
    'request.path.matches("(")',
    'request.path.matches("(?=x)")',
    '('.repeat(1000),
    `${'('.repeat(1000)}true${')'.repeat(1000)}x`,
  ]
  for (const text of malformed) assert.equal(refusal(text).code, 'QIP_POLICY_CONDITION_MALFORMED', text)
  const unknown = [
    ['request.path.startswith("/")', 'startsWith'],
    ['int("1") == 1', undefined],
    ['["a"].map(x, x) == ["a"]', undefined],
    ['["a"].filter(x, true) == ["a"]', undefined],
    ['duration("1s") == duration("1s")', undefined],
    ['type(1) == int', undefined],
    ['["a"].exist(x, true)', undefined],
    ['toString()', undefined],
  ] as const
  for (const [text, nearest] of unknown) {
    const error = refusal(text)
    assert.equal(error.code, 'QIP_POLICY_FUNCTION_UNKNOWN', text)
    if (nearest !== undefined) assert.match(error.message, new RegExp(nearest))
  }
})

test('points at the place in the text', () => {
  const offsets: [string, number][] = [
    ['verdict.status = "x"', 15],
    ['true &&\n  build.slsaLevel == "3"', 26],
    ['true &&\n  build.agesS > 1', 10],
  ]
  for (const [text, offset] of offsets) {
    const details = refusal(text).details as { readonly offset: number }
    assert.equal(details.offset, offset, text)
  }
})

test('refuses conditions past the limits', () => {
  const items = Array.from({ length: 60 }, (_, place) => `"${place}"`).join()
  const cases: [string, string][] = [
    ['characters', `"${'a'.repeat(2100)}" == request.path`],
    ['nodes', Array.from({ length: 90 }, () => 'verdict.epoch == 1').join(' || ')],
    ['levels', `${'verdict.deep ? ('.repeat(17)}true${') : false'.repeat(17)}`],
    ['units of cost', `[${items}].exists(x, [${items}].exists(y, x == y))`],
    ['units of cost', Array.from({ length: 21 }, () => 'request.path.matches("a")').join(' || ')],
    ['characters of a pattern', `request.path.matches("${'a'.repeat(257)}")`],
    ['repetitions', 'request.path.matches("(.{0,30}){30}")'],
  ]
  for (const [what, text] of cases) {
    const error = refusal(text)
    assert.equal(error.code, 'QIP_POLICY_LIMIT_EXCEEDED', text)
    assert.match(error.message, new RegExp(what))
  }
})
