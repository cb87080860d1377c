import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isQipError } from './errors.ts'
import {
  isServiceId,
  parseServiceId,
  parseTrustDomain,
  trustDomainName,
  trustDomainOf,
} from './service-id.ts'

const code = 'QIP_BASE_SERVICE_ID_MALFORMED'
const td = 'spiffe://acme.example'

const serviceIds: string[] = [
  'spiffe://acme.example/ns/prod/sa/shop',
  'spiffe://acme.example/a',
  'spiffe://a/b',
  'spiffe://1.2.3.4/x',
  'spiffe://a_b-c.d/E_f-G.h/0',
  'spiffe://acme.example/...',
  'spiffe://acme.example/.hidden',
  'spiffe://acme.example/..a/b..',
  'spiffe://acme.example/a/.../b',
  'spiffe://.../a',
  'spiffe://.a/b',
  `${td}/${'a'.repeat(512 - td.length - 1)}`,
  `spiffe://${'a'.repeat(255)}/b`,
]
for (const text of serviceIds) {
  test(`\`${text.slice(0, 40)}\` is a service ID`, () => {
    assert.equal(parseServiceId(text), text)
    assert.equal(isServiceId(text), true)
    assert.equal(parseTrustDomain(trustDomainOf(text)), trustDomainOf(text))
  })
}

const noServiceIds: Record<string, string> = {
  nothing: '',
  'a trust domain alone': td,
  'a trust domain with a slash': `${td}/`,
  'a slash at the end': `${td}/a/`,
  'an empty segment': `${td}/a//b`,
  'an empty first segment': `${td}//a`,
  'no trust domain': 'spiffe:///a',
  'a segment `.`': `${td}/a/./b`,
  'a segment `..`': `${td}/a/../b`,
  'a last segment `..`': `${td}/a/..`,
  'a last segment `.`': `${td}/.`,
  'a trust domain `.`': 'spiffe://./a',
  'a trust domain `..`': 'spiffe://../a',
  'another scheme': 'https://acme.example/a',
  'no scheme': 'acme.example/a',
  'a scheme in capitals': 'SPIFFE://acme.example/a',
  'a trust domain in capitals': 'spiffe://Acme.example/a',
  'user information': 'spiffe://me@acme.example/a',
  'a port': 'spiffe://acme.example:443/a',
  'a query': `${td}/a?b`,
  'a fragment': `${td}/a#b`,
  'percent-encoding': `${td}/%61`,
  'a space': `${td}/a b`,
  'a space before': ` ${td}/a`,
  'a line feed at the end': `${td}/a\n`,
  'a NUL': `${td}/a\u0000`,
  'a backslash': `${td}/a\\b`,
  'a letter beyond ASCII': `${td}/é`,
  'a letter that lower-cases into ASCII': `spiffe://\u212aelvin/a`,
  'a star': `${td}/*`,
  '513 bytes': `${td}/${'a'.repeat(513 - td.length - 1)}`,
  'a trust domain of 256 characters': `spiffe://${'a'.repeat(256)}/b`,
}
for (const [title, text] of Object.entries(noServiceIds)) {
  test(`a text with ${title} is no service ID`, () => {
    assert.equal(isServiceId(text), false)
    assert.throws(() => parseServiceId(text), { code })
  })
}

const domains: string[] = [
  td,
  'spiffe://a',
  'spiffe://a_b-c.d0',
  'spiffe://...',
  `spiffe://${'a'.repeat(255)}`,
]
for (const text of domains) {
  test(`\`${text.slice(0, 40)}\` is a trust domain`, () => {
    assert.equal(parseTrustDomain(text), text)
    assert.equal(`spiffe://${trustDomainName(text)}`, text)
    assert.equal(trustDomainOf(text), text)
  })
}

const noDomains: Record<string, string> = {
  nothing: '',
  'no name': 'spiffe://',
  'a bare name': 'acme.example',
  'a slash at the end': `${td}/`,
  'a path': `${td}/a`,
  'the name `.`': 'spiffe://.',
  'the name `..`': 'spiffe://..',
  capitals: 'spiffe://ACME.example',
  'a port': `${td}:1`,
  'a line feed at the end': `${td}\n`,
  '256 characters': `spiffe://${'a'.repeat(256)}`,
}
for (const [title, text] of Object.entries(noDomains)) {
  test(`a text with ${title} is no trust domain`, () => {
    assert.throws(() => parseTrustDomain(text), { code })
  })
}

test('says what is wrong', () => {
  const reasons: [text: string, reason: RegExp][] = [
    ['spiffe://./a', /trust domain is `\.`/],
    ['spiffe://../a/./b', /trust domain is `\.`/],
    [`${td}/../a`, /path segment/],
    [`${td}/${'a'.repeat(600)}`, /longer than 512/],
    [td, /of the form/],
  ]
  for (const [text, message] of reasons) assert.throws(() => parseServiceId(text), { code, message })
})

const accepts = (parse: () => unknown): boolean => {
  try {
    parse()
    return true
  } catch (error) {
    assert.ok(isQipError(error, code), String(error))
    return false
  }
}

test('a name is a trust domain exactly where there are service IDs in it', () => {
  const name = fc.string({ unit: fc.constantFrom('.', 'a', '-', '_', '0', '/', 'A', ':', '%'), maxLength: 4 })
  fc.assert(
    fc.property(name, (text) => {
      const isDomain = accepts(() => parseTrustDomain(`spiffe://${text}`))
      const hasServices =
        isServiceId(`spiffe://${text}/a`) && trustDomainOf(`spiffe://${text}/a`) === `spiffe://${text}`
      assert.equal(isDomain, hasServices, text)
    }),
    { numRuns: 2_000 },
  )
})

// The rules of SPIFFE-ID, one after the other, over the parts between slashes.
function bySegments(candidate: string): boolean {
  const [scheme, empty, domain = '', ...segments] = candidate.split('/')
  if (scheme !== 'spiffe:' || empty !== '' || segments.length === 0) return false
  if (!/^[a-z0-9._-]+$/.test(domain) || !segments.every((segment) => /^[a-zA-Z0-9._-]+$/.test(segment)))
    return false
  return [domain, ...segments].every((part) => part !== '.' && part !== '..')
}

test('agrees with a reading segment by segment', () => {
  const piece = fc.constantFrom(
    'spiffe://',
    'acme',
    '.',
    '..',
    '/',
    'a',
    'B',
    '-',
    '%41',
    '?',
    '#',
    ' ',
    'é',
    '\n',
    '@',
  )
  const text = fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('')),
    fc.array(piece, { maxLength: 6 }).map((parts) => `spiffe://acme/${parts.join('')}`),
  )
  let good = 0
  fc.assert(
    fc.property(text, (candidate) => {
      const expected = bySegments(candidate)
      if (expected) good++
      assert.equal(isServiceId(candidate), expected, JSON.stringify(candidate))
      assert.equal(
        accepts(() => parseServiceId(candidate)),
        expected,
      )
    }),
    { numRuns: 3_000 },
  )
  assert.ok(good > 20)
})
