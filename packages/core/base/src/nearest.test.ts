import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { nearest } from './nearest.ts'

const keys = [
  'audience',
  'expiry',
  'exp',
  'id',
  'count',
  'requireAttestation',
  'batchInterval',
  'batchMax',
  'policies',
  'rule',
]

const cases: [word: string, found: string | undefined][] = [
  ['audiance', 'audience'],
  ['audience', 'audience'],
  ['AUDIENCE', 'audience'],
  ['Count', 'count'],
  ['counts', 'count'],
  ['cuont', 'count'],
  ['expire', 'expiry'],
  ['requireAtestation', 'requireAttestation'],
  ['require_attestation', 'requireAttestation'],
  ['batchIntervalMs', 'batchInterval'],
  ['batchMin', 'batchMax'],
  ['ip', 'id'],
  ['rules', 'rule'],
  ['policy', 'policies'],
  ['elephant', undefined],
  ['q', undefined],
  ['', undefined],
  ['x'.repeat(200), undefined],
]
for (const [word, found] of cases) {
  test(`\`${word.slice(0, 24)}\` ${found === undefined ? 'is near to nothing' : `means \`${found}\``}`, () => {
    assert.equal(nearest(word, keys), found)
    assert.equal(nearest(word, new Set(keys)), found)
  })
}

test('of two equally near the first is named, of several the nearest', () => {
  assert.equal(nearest('cat', ['bat', 'hat']), 'bat')
  assert.equal(nearest('cart', ['card', 'cart2', 'cart']), 'cart')
})

test('nothing known, nothing near', () => assert.equal(nearest('audience', []), undefined))

test('a word of a megabyte is not compared letter by letter', () => {
  let looked = 0
  const known = {
    *[Symbol.iterator]() {
      looked++
      yield 'audience'
    },
  }
  assert.equal(nearest('x'.repeat(1_000_000), known), undefined)
  assert.equal(looked, 0)
  assert.equal(nearest('audience', ['x'.repeat(1_000_000), 'audience']), 'audience')
})

// The definition, word for word: exponential, for short words only.
function distance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const same = a[0] === b[0] ? 0 : 1
  return Math.min(
    distance(a.slice(1), b.slice(1)) + same,
    distance(a.slice(1), b) + 1,
    distance(a, b.slice(1)) + 1,
  )
}

test('finds the least edit distance, by its definition', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 })
  fc.assert(
    fc.property(short, fc.array(short, { maxLength: 4 }), (word, known) => {
      const close = known
        .map((candidate) => ({ candidate, far: distance(word, candidate) }))
        .filter(({ candidate, far }) => far <= 2 && far < Math.max(word.length, candidate.length))
      const [best] = close.toSorted((a, b) => a.far - b.far)
      assert.equal(nearest(word, known), best?.candidate)
    }),
    { numRuns: 300 },
  )
})
