import assert from 'node:assert/strict'
import { test } from 'node:test'
import { algorithmSizes, parseSignatureAlgorithm, type SignatureAlgorithm } from './algorithms.ts'
import { parsePublicKey } from './public-key.ts'

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

test('every algorithm has the sizes of its standard', () => {
  assert.deepEqual(
    algorithms.map((alg) => {
      const { publicBytes, secretBytes, signatureBytes } = algorithmSizes(alg)
      return [publicBytes, secretBytes, signatureBytes]
    }),
    [
      [1312, 32, 2420],
      [1952, 32, 3309],
      [2592, 32, 4627],
      [32, 64, 7856],
      [32, 32, 64],
      [1344, 64, 2484],
      [1984, 64, 3373],
    ],
  )
})

test('takes a key of the right length and copies its bytes', () => {
  for (const alg of algorithms) {
    const bytes = new Uint8Array(algorithmSizes(alg).publicBytes).fill(7)
    const key = parsePublicKey(alg, bytes, composites)
    bytes.fill(0)
    assert.equal(key.alg, alg)
    assert.ok(key.bytes.every((byte) => byte === 7))
    assert.match(key.kid, /^[\w-]{43}$/)
  }
})

test('refuses a key one byte too short or too long', () => {
  for (const alg of algorithms) {
    for (const size of [algorithmSizes(alg).publicBytes - 1, algorithmSizes(alg).publicBytes + 1, 0]) {
      assert.throws(() => parsePublicKey(alg, new Uint8Array(size), composites), {
        code: 'QIP_CRYPTO_KEY_MALFORMED',
      })
    }
  }
})

test('refuses a composite unless it is allowed by name', () => {
  assert.throws(() => parsePublicKey('ML-DSA-44-Ed25519', new Uint8Array(1344)), {
    code: 'QIP_CRYPTO_COMPOSITE_NOT_ALLOWED',
  })
  assert.throws(() => parseSignatureAlgorithm('ML-DSA-65-Ed25519', { composites: false }), {
    code: 'QIP_CRYPTO_COMPOSITE_NOT_ALLOWED',
  })
})

test('refuses names that are no algorithm, inherited ones too', () => {
  for (const name of ['', 'ml-dsa-44', 'EdDSA', 'none', 'toString', '__proto__', 'ML-DSA-44-ES256']) {
    assert.throws(() => parseSignatureAlgorithm(name, composites), { code: 'QIP_CRYPTO_ALGORITHM_UNKNOWN' })
  }
})

test('quotes no more than the beginning of an unknown name', () => {
  assert.throws(
    () => parseSignatureAlgorithm('x'.repeat(10_000)),
    (error: Error) => error.message.length < 200,
  )
})
