import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { base64url, isQipError } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { calculateJwkThumbprint, type JWK } from 'jose'
import type { SignatureAlgorithm } from './algorithms.ts'
import { parsePrivateJwk, parsePublicJwk, privateJwk, publicJwk } from './jwk.ts'
import { jwkThumbprint } from './jwk-thumbprint.ts'
import { generatePrivateKey, parsePrivateKey } from './private-key.ts'

const composites = { composites: true }
const algorithms: readonly SignatureAlgorithm[] = [
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
  'SLH-DSA-SHA2-128s',
  'Ed25519',
  'ML-DSA-44-Ed25519',
  'ML-DSA-65-Ed25519',
]
const keys = algorithms.map((alg) => generatePrivateKey(alg, undefined, composites))
const mlDsa = privateJwk(generatePrivateKey('ML-DSA-44')) as unknown as Record<string, string>
const ed25519 = privateJwk(generatePrivateKey('Ed25519')) as unknown as Record<string, string>

function without(jwk: Record<string, string>, ...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)))
}

test('keys of every algorithm go out and in again', () => {
  for (const key of keys) {
    const { publicKey } = key
    assert.deepEqual(parsePublicJwk(publicJwk(publicKey), composites), publicKey)
    assert.deepEqual(parsePublicJwk(structuredClone(publicJwk(publicKey)), composites), publicKey)
    const again = parsePrivateJwk(JSON.parse(JSON.stringify(privateJwk(key))), composites)
    assert.deepEqual(again.publicKey, publicKey)
    assert.deepEqual(privateJwk(again), privateJwk(key))
  }
})

test('an AKP key has alg, kty, pub and a seed as priv; an Ed25519 key is OKP', () => {
  assert.deepEqual(Object.keys(mlDsa).toSorted(), ['alg', 'kid', 'kty', 'priv', 'pub'])
  assert.equal(Buffer.from(mlDsa['priv'] as string, 'base64url').length, 32)
  assert.deepEqual({ ...without(ed25519, 'x', 'd', 'kid') }, { kty: 'OKP', crv: 'Ed25519', alg: 'Ed25519' })
})

test('the public form never holds the secret', () => {
  for (const key of keys) {
    const names = Object.keys(publicJwk(key.publicKey))
    assert.ok(!names.includes('priv') && !names.includes('d'))
  }
})

test('refuses a private key where a public one belongs, unless the caller wants its public half', () => {
  for (const jwk of [mlDsa, ed25519]) {
    assert.throws(() => parsePublicJwk(jwk), { code: 'QIP_CRYPTO_JWK_PRIVATE' })
    assert.equal(parsePublicJwk(jwk, { privateMembers: 'ignore' }).kid, jwk['kid'])
  }
})

test('names a key by its thumbprint, whatever `kid` says', () => {
  assert.equal(parsePublicJwk({ ...without(mlDsa, 'priv'), kid: 'mine' }).kid, mlDsa['kid'])
})

test('accepts an Ed25519 key without alg and with the older EdDSA', () => {
  for (const alg of [undefined, 'Ed25519', 'EdDSA']) {
    assert.equal(parsePublicJwk({ ...without(ed25519, 'd'), alg }).alg, 'Ed25519')
  }
})

test('ignores unknown members and uses that do not contradict', () => {
  for (const extra of [
    { x5c: ['never trusted'] },
    { use: 'sig' },
    { use: 'qip-token' },
    { key_ops: ['verify'] },
  ]) {
    assert.equal(parsePublicJwk({ ...without(mlDsa, 'priv'), ...extra }).kid, mlDsa['kid'])
  }
})

const publicMlDsa = without(mlDsa, 'priv')
const publicEd25519 = without(ed25519, 'd')
const malformed: readonly [string, unknown, string?][] = [
  ['null', null],
  ['a string', 'jwk'],
  ['an array', [publicMlDsa]],
  ['no kty', without(publicMlDsa, 'kty')],
  ['an EC key', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }],
  ['a symmetric key', { kty: 'oct', k: 'AA' }],
  ['an AKP key without alg', without(publicMlDsa, 'alg')],
  ['an AKP key without pub', without(publicMlDsa, 'pub')],
  ['a pub that is a number', { ...publicMlDsa, pub: 7 }],
  ['a pub with padding', { ...publicMlDsa, pub: `${publicMlDsa['pub']}=` }],
  ['a pub in standard base64', { ...publicEd25519, x: `${(publicEd25519['x'] as string).slice(0, 42)}+` }],
  ['a pub with a newline', { ...publicMlDsa, pub: `${publicMlDsa['pub']}\n` }],
  ['a pub whose last character has stray bits', { ...publicEd25519, x: `${'A'.repeat(42)}B` }],
  [
    'a pub one byte short',
    { ...publicMlDsa, pub: base64url(new Uint8Array(1311)) },
    'QIP_CRYPTO_KEY_MALFORMED',
  ],
  ['the pub of another algorithm', { ...publicMlDsa, alg: 'ML-DSA-65' }, 'QIP_CRYPTO_KEY_MALFORMED'],
  ['an unknown alg', { ...publicMlDsa, alg: 'ML-DSA-45' }, 'QIP_CRYPTO_ALGORITHM_UNKNOWN'],
  ['alg none', { ...publicMlDsa, alg: 'none' }, 'QIP_CRYPTO_ALGORITHM_UNKNOWN'],
  ['an alg that needs escapes', { ...publicMlDsa, alg: 'ML-DSA-44","kty":"AKP' }],
  ['an Ed25519 key as AKP', { kty: 'AKP', alg: 'Ed25519', pub: publicEd25519['x'] }],
  ['an X25519 key', { ...publicEd25519, crv: 'X25519' }],
  ['an Ed25519 key with another alg', { ...publicEd25519, alg: 'ML-DSA-44' }],
  ['use enc', { ...publicMlDsa, use: 'enc' }],
  ['key_ops without verify', { ...publicMlDsa, key_ops: ['encrypt'] }],
  ['key_ops twice', { ...publicMlDsa, key_ops: ['verify', 'verify'] }],
  ['key_ops that is no list', { ...publicMlDsa, key_ops: 'verify' }],
  ['members of a prototype only', Object.create(publicMlDsa)],
  [
    'hundreds of members',
    { ...publicMlDsa, ...Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`m${i}`, 0])) },
  ],
  [
    'a composite nobody allowed',
    publicJwk(generatePrivateKey('ML-DSA-44-Ed25519', undefined, composites).publicKey),
    'QIP_CRYPTO_COMPOSITE_NOT_ALLOWED',
  ],
]
for (const [what, jwk, code = 'QIP_CRYPTO_JWK_MALFORMED'] of malformed) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parsePublicJwk(jwk), { code })
  })
}

test('refuses a private key whose public half is another one', () => {
  const other = privateJwk(generatePrivateKey('ML-DSA-44')) as unknown as Record<string, string>
  const otherEd25519 = privateJwk(generatePrivateKey('Ed25519')) as unknown as Record<string, string>
  const code = 'QIP_CRYPTO_JWK_MALFORMED'
  assert.throws(() => parsePrivateJwk({ ...mlDsa, priv: other['priv'] }), { code })
  assert.throws(() => parsePrivateJwk({ ...ed25519, d: otherEd25519['d'] }), { code })
  assert.throws(() => parsePrivateJwk(publicMlDsa), { code })
  assert.throws(() => parsePrivateJwk({ ...mlDsa, key_ops: ['verify'] }), { code })
  assert.throws(() => parsePrivateJwk({ ...mlDsa, priv: base64url(new Uint8Array(2560)) }), {
    code: 'QIP_CRYPTO_KEY_MALFORMED',
  })
})

test('thumbprints equal those of the JOSE library', async () => {
  const foreign = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
    generateKeyPairSync('x25519'),
  ].map((pair) => pair.publicKey.export({ format: 'jwk' }) as Record<string, string>)
  for (const jwk of [...keys.map((key) => publicJwk(key.publicKey)), mlDsa, ed25519, ...foreign]) {
    assert.equal(jwkThumbprint(jwk), await calculateJwkThumbprint(jwk as JWK))
  }
  for (const { publicKey } of keys) assert.equal(jwkThumbprint(publicJwk(publicKey)), publicKey.kid)
})

test('gives the thumbprint of RFC 7638, section 3.1, and of RFC 8037, appendix A.3', () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs' +
    'tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9' +
    '1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
  assert.equal(
    jwkThumbprint({ kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' }),
    'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
  )
  assert.equal(
    jwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }),
    'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
  )
})

test('has no thumbprint for what is not a public-key JWK', () => {
  const malformed = [
    null,
    {},
    { kty: 'oct', k: 'AAAA' },
    { kty: 'EC', crv: 'P-256', x: 'AAAA' },
    { kty: 'RSA', n: 'AAAA', e: '' },
    { kty: 'RSA', n: 'AAAA', e: 'A QAB' },
    { kty: 'EC', crv: 'P-256"', x: 'AAAA', y: 'AAAA' },
    { kty: '__proto__' },
    { kty: 'AKP', pub: 'AAAA' },
  ]
  for (const jwk of malformed) assert.throws(() => jwkThumbprint(jwk), { code: 'QIP_CRYPTO_JWK_MALFORMED' })
})

test('whatever is not a key is refused with a code', () => {
  const member = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constant(null),
    fc.array(fc.string(), { maxLength: 3 }),
  )
  const names = ['kty', 'alg', 'pub', 'crv', 'x', 'use', 'key_ops', 'priv', 'd']
  const kty = fc.constantFrom('AKP', 'OKP', 'EC')
  const alg = fc.constantFrom('ML-DSA-44', 'Ed25519', 'ML-DSA-65-Ed25519', 'x')
  const jwk = fc.record(Object.fromEntries(names.map((name) => [name, member])), { requiredKeys: [] })
  const nearly = fc
    .tuple(jwk, fc.record({ kty, alg }, { requiredKeys: [] }))
    .map(([a, b]) => Object.assign(a, b))
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), nearly), (value) => {
      for (const parse of [parsePublicJwk, parsePrivateJwk, jwkThumbprint]) {
        try {
          parse(value)
        } catch (error) {
          assert.ok(isQipError(error), String(error))
        }
      }
    }),
    { numRuns: 1_000 },
  )
})

test('equal seeds give equal thumbprints: the zero seed has the one that the composite draft lists', () => {
  const key = parsePrivateKey('ML-DSA-44-Ed25519', new Uint8Array(64), composites)
  assert.equal(key.publicKey.kid, '5ETztyaAQkvflhmjJ6mtdwlWEb3Nr4ymcDpN8eXQ8h4')
})
