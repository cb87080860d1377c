import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Effort, matchParts } from './lib/match-parts.ts'
import { parsePattern } from './pattern.ts'

const shop = 'spiffe://acme.example/ns/prod/sa/shop'

const cases: [pattern: string, value: string, matches: boolean][] = [
  [shop, shop, true],
  [shop, `${shop}2`, false],
  [shop, shop.slice(0, -1), false],
  ['spiffe://acme.example/ns/prod/sa/*', shop, true],
  ['spiffe://acme.example/ns/prod/sa/*', 'spiffe://acme.example/ns/prod/sa/', true],
  ['spiffe://acme.example/ns/prod/sa/*', `${shop}/more`, false],
  ['spiffe://acme.example/ns/prod/sa/*', 'spiffe://acme.example.evil/ns/prod/sa/shop', false],
  ['spiffe://acme.example/**', shop, true],
  ['spiffe://acme.example/**', 'spiffe://acme.example', false],
  ['spiffe://acme.example/ns/*/sa/shop', shop, true],
  ['spiffe://acme.example/ns/*/sa/shop', 'spiffe://acme.example/ns/a/b/sa/shop', false],
  ['spiffe://acme.example/ns/**/sa/shop', 'spiffe://acme.example/ns/a/b/sa/shop', true],
  ['spiffe://*.example/ns/*/sa/*', shop, true],
  ['*', '', true],
  ['*', 'a', true],
  ['*', '/', false],
  ['**', '', true],
  ['**', '///', true],
  ['*/*', '/', true],
  ['*/*', '//', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*a', 'aba', true],
  ['*.js', '.js', true],
  ['*.js', 'a/b.js', false],
  ['**.js', 'a/b.js', true],
  ['**/a*c', 'x/ab/abbc', true],
  ['*a/b**', 'ca/b/d', true],
  // What other pattern languages read as something else stands for itself.
  ['a.c', 'abc', false],
  ['a?c', 'abc', false],
  ['[ab]*', 'ab', false],
  ['(a|b)+*', '(a|b)+c', true],
  ['\\**', '\\x', true],
  ['^a$*', '^a$b', true],
  // A line feed is a character like any other.
  ['a*b', 'a\nb', true],
  ['a', 'a\n', false],
]
for (const [pattern, value, matches] of cases) {
  test(`\`${pattern}\` ${matches ? 'is' : 'is not'} the form of ${JSON.stringify(value)}`, () => {
    const parsed = parsePattern(pattern)
    assert.equal(parsed.text, pattern)
    assert.equal(parsed.matches(value), matches)
    assert.equal(parsed.matches(value), matches, 'asked a second time')
  })
}

const refused: [title: string, pattern: string, reason: RegExp][] = [
  ['nothing', '', /empty/],
  ['three stars', 'a/***', /\*\*\*/],
  ['four stars', '****', /\*\*\*/],
  ['1,025 characters', 'a'.repeat(1_025), /1024/],
]
for (const [title, pattern, reason] of refused) {
  test(`${title} is no pattern`, () => {
    assert.throws(() => parsePattern(pattern), { code: 'QIP_BASE_PATTERN_MALFORMED', message: reason })
  })
}

test('a pattern may have 1,024 characters', () => {
  assert.equal(parsePattern('a'.repeat(1_024)).matches('a'.repeat(1_024)), true)
})

/** The definition, word for word: tries everything, and counts what it tries. */
function naive(pattern: string, value: string, effort: Effort = { steps: 0 }): boolean {
  effort.steps++
  if (pattern === '') return value === ''
  if (!pattern.startsWith('*')) {
    return value !== '' && value[0] === pattern[0] && naive(pattern.slice(1), value.slice(1), effort)
  }
  const any = pattern.startsWith('**')
  const rest = pattern.slice(any ? 2 : 1)
  for (let taken = 0; taken <= value.length; taken++) {
    if (naive(rest, value.slice(taken), effort)) return true
    if (!any && value[taken] === '/') return false
  }
  return false
}

test('agrees with the definition', () => {
  const pattern = fc
    .array(fc.constantFrom('a', 'b', '/', '*', '**', 'ab', 'a/'), { minLength: 1, maxLength: 9 })
    .map((parts) => parts.join(''))
    .filter((text) => !text.includes('***'))
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 10 })
  const outcomes = new Set<boolean>()
  fc.assert(
    fc.property(pattern, value, (text, candidate) => {
      const expected = naive(text, candidate)
      outcomes.add(expected)
      assert.equal(parsePattern(text).matches(candidate), expected)
    }),
    { numRuns: 5_000 },
  )
  assert.equal(outcomes.size, 2)
})

test('agrees with the definition on values that were made to fit, and on their neighbours', () => {
  const filler = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 4 })
  const piece = fc.oneof(
    fc.constantFrom('a', 'b/', 'ab').map((literal) => [literal, literal]),
    filler.map((text) => ['**', text]),
    filler.map((text) => ['*', text.replaceAll('/', '')]),
  )
  const fitting = fc
    .array(piece, { minLength: 1, maxLength: 6 })
    .map(
      (pieces) => [pieces.map(([form]) => form).join(''), pieces.map(([, text]) => text).join('')] as const,
    )
    .filter(([text]) => !text.includes('***'))
  fc.assert(
    fc.property(fitting, fc.nat(), ([text, value], at) => {
      const parsed = parsePattern(text)
      assert.equal(parsed.matches(value), true)
      const place = at % (value.length + 1)
      const neighbour = value.slice(0, place) + '/' + value.slice(place)
      assert.equal(parsed.matches(neighbour), naive(text, neighbour))
    }),
    { numRuns: 2_000 },
  )
})

// Patterns that make matchers go back and back; `n` grows the value, and the pattern with it where it says so.
const adversarial: Record<string, (n: number) => [parts: string[], value: string]> = {
  'stars between letters that nearly fit': (n) => [
    Array.from({ length: 60 }, (_, i) => (i % 2 ? 'a' : '*')),
    'a'.repeat(n) + 'b',
  ],
  'double stars between letters that nearly fit': (n) => [
    Array.from({ length: 60 }, (_, i) => (i % 2 ? 'a' : '**')),
    'a'.repeat(n) + 'b',
  ],
  'a double star before a star': (n) => [['**', 'a', '*', 'b', '*', 'c'], 'a'.repeat(n)],
  'segments that all begin alike': (n) => [['**', '/a', '*', '/b', '**', '/c'], '/a'.repeat(n)],
  'a long literal that fits everywhere but at its end': (n) => [
    ['**', 'a'.repeat(200) + 'b', '**'],
    'a'.repeat(n),
  ],
}
for (const [title, make] of Object.entries(adversarial)) {
  test(`looks at each offset once per part: ${title}`, () => {
    const [once, twice] = [2_000, 4_000].map((n) => {
      const [parts, value] = make(n)
      const effort = { steps: 0 }
      assert.equal(matchParts(parts, value, effort), false)
      assert.ok(
        effort.steps <= parts.length * (value.length + 1),
        `${effort.steps} for ${value.length} characters`,
      )
      return effort.steps
    }) as [number, number]
    assert.ok(twice <= 2.1 * once, `${once} steps, then ${twice}`)
  })
}

test('these patterns are hard: the definition, taken word for word, goes astray on them', () => {
  const [once, twice] = [12, 24].map((n) => {
    const effort = { steps: 0 }
    assert.equal(naive('*a*a*a*a*a', 'a'.repeat(n) + 'b', effort), false)
    return effort.steps
  }) as [number, number]
  assert.ok(twice > 8 * once)
})

test('the longest pattern of stars over the longest header field comes to an end', () => {
  for (const unit of ['*a', '**a', '*a/', '**/a']) {
    const text = unit.repeat(1_000 / unit.length)
    assert.equal(parsePattern(text).matches('a'.repeat(8_000)), unit === '*a' || unit === '**a')
    assert.equal(parsePattern(`${text}b`).matches(`${'a'.repeat(4_000)}/${'a'.repeat(4_000)}`), false)
    assert.equal(parsePattern(`${text}c*b`).matches(`${'a'.repeat(8_000)}b`), false)
  }
})
