import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import { anyParts, mutations, someParts, someToken } from '../test/fixtures.ts'
import { formatMerkleToken, parseMerkleToken } from './merkle-token.ts'
import { classifyToken, readToken, type TokenClass } from './read-token.ts'
import { formatReferenceToken } from './reference-token.ts'
import { TokenRefusal } from './token-refusal.ts'

const reference = formatReferenceToken({ keyId: 1, handle: new Uint8Array(16) })

test('tells the forms apart', () => {
  assert.equal(classifyToken(someToken), 'merkle')
  assert.equal(classifyToken(reference), 'reference')
  assert.equal(classifyToken(''), 'malformed')
  assert.equal(classifyToken('qip1.'), 'malformed')
  assert.equal(classifyToken('Bearer abc'), 'malformed')
  assert.equal(classifyToken(`${someToken}A`), 'malformed')
})

function everyPrefixOf(text: string): TokenClass[] {
  return Array.from({ length: text.length }, (_, length) => classifyToken(text.slice(0, length)))
}

test('calls each beginning of a Merkle token of 16 characters or more truncated, each shorter one malformed', () => {
  fc.assert(
    fc.property(anyParts, (parts) => {
      const classes = everyPrefixOf(formatMerkleToken(parts))
      assert.deepEqual(new Set(classes.slice(0, 16)), new Set(['malformed']))
      assert.deepEqual(new Set(classes.slice(16)), new Set(['truncated']))
    }),
    { numRuns: 25 },
  )
})

test('stays malformed, once the beginning is: more input never makes it truncated', () => {
  for (const damaged of mutations(Buffer.from(someToken.slice(5), 'base64url'), 60, 'prefixes')) {
    const text = `qip1.${Buffer.from(damaged).toString('base64url')}`
    const classes = everyPrefixOf(text).slice(16)
    const first = classes.indexOf('malformed')
    if (first >= 0) assert.deepEqual(new Set(classes.slice(first)), new Set(['malformed']))
    if (first >= 0) assert.equal(classifyToken(text), 'malformed')
  }
})

const prefix = (bytes: number[], chars?: number) => {
  const text = `qip1.${Buffer.from(bytes).toString('base64url')}`
  return chars === undefined ? text : text.slice(0, chars)
}
const zeros = Array.from({ length: 20 }, () => 0)

const beginnings: readonly (readonly [title: string, text: string, is: TokenClass])[] = [
  ['of claims that are cut', someToken.slice(0, 40), 'truncated'],
  ['with the array head of another format', prefix([0x85, ...zeros]), 'malformed'],
  ['whose claims are not a map', prefix([0x86, 0x58, 0x90, 0x80, ...zeros]), 'malformed'],
  ['whose claims head is not the shortest', prefix([0x86, 0x59, 0x00, 0x90, 0xa5, ...zeros]), 'malformed'],
  [
    'whose claims are over the limit, though they are not there',
    prefix([0x86, 0x59, 0x0c, 0x01]).padEnd(16, 'A'),
    'malformed',
  ],
  [
    'whose subject is over the limit, though it is not there',
    prefix([0x86, 0x59, 0x04, 0x00, 0xa5, 0x02, 0x79, 0x02, 0x01, 0x61]),
    'malformed',
  ],
  ['whose subject is cut', prefix([0x86, 0x59, 0x04, 0x00, 0xa5, 0x02, 0x79, 0x02, 0x00, 0x61]), 'truncated'],
  [
    'whose subject is longer than the claims',
    prefix([0x86, 0x58, 0x40, 0xa5, 0x02, 0x78, 0x41, 0x61, 0x61]),
    'malformed',
  ],
  [
    'with a foreign character in what was not cut',
    `${someToken.slice(0, 30)}=${someToken.slice(31, 60)}`,
    'malformed',
  ],
  ['with a foreign character at the cut', `${someToken.slice(0, 58)}+`, 'malformed'],
  ['with an ellipsis at the cut', `${someToken.slice(0, 60)}…`, 'malformed'],
  ['of a reference token', reference.slice(0, 30), 'malformed'],
  ['with another prefix', `qip2.${someToken.slice(5, 60)}`, 'malformed'],
]

for (const [title, text, is] of beginnings) {
  test(`calls a beginning ${title} ${is}`, () => assert.equal(classifyToken(text), is))
}

// What an attacker can send. Each is answered from the first bytes that are wrong, however much follows.
const deep = Buffer.alloc(1_000_000, 0x81).toString('base64url')
const hostile: readonly (readonly [title: string, text: string])[] = [
  ['a field of 64 KB', `qip1.${'A'.repeat(65_536)}`],
  ['a field of 64 KB that begins like a JWT', `eyJ${'A'.repeat(65_536)}.`],
  ['a reference of 64 KB', `qipr1.${'A'.repeat(65_536)}`],
  ['CBOR of depth 1,000,000', `qip1.${deep}`],
  ['CBOR as deep as fits', `qip1.${deep.slice(0, 4_000)}`],
  ['claims as deep as fit', prefix([0x86, 0x59, 0x0b, 0x00, ...Array.from({ length: 2_816 }, () => 0x81)])],
  [
    'a claims length of 2^64 − 1',
    prefix([0x86, 0x5b, ...Array.from({ length: 8 }, () => 0xff)], undefined).padEnd(40, '_'),
  ],
  ['a claims length of 2^32 − 1', prefix([0x86, 0x5a, ...Array.from({ length: 4 }, () => 0xff), ...zeros])],
  ['a map of 2^32 entries', prefix([0x86, 0x58, 0x40, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, ...zeros])],
  [
    'an audience of 2^16 entries',
    prefix([0x86, 0x58, 0x40, 0xa5, 0x02, 0x6c, ...Buffer.from('spiffe://a/b'), 0x03, 0x9a, 0, 1, 0, 0]),
  ],
  ['a JWS header of 4 KB', `eyJ${'A'.repeat(4_096)}.e30.AA`],
  ['8,000 dots', '.'.repeat(8_000)],
]

for (const [title, text] of hostile) {
  test(`refuses ${title}`, () => {
    const refused = readToken(text)
    assert.ok(refused instanceof TokenRefusal && !refused.truncated)
  })
}

test('shows no piece of a token in any error', () => {
  const texts = [
    ...Array.from({ length: someToken.length }, (_, length) => someToken.slice(0, length)),
    ...[...mutations(Buffer.from(someToken.slice(5), 'base64url'), 300, 'secrets')].map(
      (bytes) => `qip1.${Buffer.from(bytes).toString('base64url')}`,
    ),
  ]
  let errors = 0
  for (const text of texts) {
    try {
      parseMerkleToken(text)
    } catch (error) {
      errors++
      const shown = inspect(error, { depth: 9, showHidden: true })
      for (let at = 5; at + 8 <= text.length; at += 4) assert.ok(!shown.includes(text.slice(at, at + 8)))
    }
  }
  assert.ok(errors > 500)
  const reasons = new Set(texts.map((text) => readToken(text)).filter((read) => read instanceof TokenRefusal))
  // Shared objects out of a closed set: nothing of the text can be in them.
  assert.ok(reasons.size < 30)
  assert.ok([...reasons].every((reason) => Object.isFrozen(reason)))
})

test('reads back what it was made from', () => {
  const token = readToken(someToken)
  assert.ok(!(token instanceof TokenRefusal) && token.form === 'compact')
  assert.equal(token.keyId, someParts.keyId)
})
