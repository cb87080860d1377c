import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { base64, base64url, hex, isQipError, utf8 } from '@quantum-ip/base'
import { seededRandom } from '@quantum-ip/testing'
import { algorithmSizes, type SignatureAlgorithm } from './algorithms.ts'
import { parsePrivateJwk, privateJwk } from './jwk.ts'
import { kemSecretBytes, parseKemPrivateKey } from './kem-key.ts'
import { parsePrivateKemJwk, privateKemJwk } from './kem-jwk.ts'
import { generatePrivateKey, parsePrivateKey, type PrivateKey, secretBytes } from './private-key.ts'
import { openField } from './sealed-field.ts'
import { verifySignature } from './signature.ts'

const composites = { composites: true }
const seeds: readonly SignatureAlgorithm[] = [
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
  'Ed25519',
  'ML-DSA-44-Ed25519',
  'ML-DSA-65-Ed25519',
]

test('a seeded generator draws the same keys again', () => {
  for (const alg of seeds) {
    const [first, again, other] = ['a', 'a', 'b'].map((seed) =>
      generatePrivateKey(alg, seededRandom(seed), composites),
    )
    assert.equal(first?.publicKey.kid, again?.publicKey.kid)
    assert.notEqual(first?.publicKey.kid, other?.publicKey.kid)
  }
})

test('two keys of the system generator differ', () => {
  for (const alg of ['ML-DSA-44', 'SLH-DSA-SHA2-128s'] as const) {
    assert.notEqual(generatePrivateKey(alg).publicKey.kid, generatePrivateKey(alg).publicKey.kid)
  }
})

test('the secret goes out and in again unchanged', () => {
  for (const alg of [...seeds, 'SLH-DSA-SHA2-128s' as const]) {
    const key = generatePrivateKey(alg, undefined, composites)
    const secret = secretBytes(key)
    assert.equal(secret.length, algorithmSizes(alg).secretBytes)
    assert.equal(parsePrivateKey(alg, secret, composites).publicKey.kid, key.publicKey.kid)
  }
})

test('refuses secrets of another length, and composites that nobody allowed', () => {
  for (const size of [0, 31, 33, 64]) {
    assert.throws(() => parsePrivateKey('ML-DSA-44', new Uint8Array(size)), {
      code: 'QIP_CRYPTO_KEY_MALFORMED',
    })
  }
  assert.throws(() => parsePrivateKey('ML-DSA-44-Ed25519', new Uint8Array(64)), {
    code: 'QIP_CRYPTO_COMPOSITE_NOT_ALLOWED',
  })
  assert.throws(() => generatePrivateKey('ML-DSA-65-Ed25519'), { code: 'QIP_CRYPTO_COMPOSITE_NOT_ALLOWED' })
})

test('does not take the secret out of a signer that is not in this process', () => {
  const remote = { publicKey: generatePrivateKey('Ed25519').publicKey, sign: async () => new Uint8Array(64) }
  assert.throws(() => secretBytes(remote), TypeError)
  assert.throws(() => privateJwk(remote), TypeError)
})

test('binds a context where the algorithm has one, and refuses it where it has none', async () => {
  const message = utf8('message')
  const key = generatePrivateKey('ML-DSA-44')
  const signature = await key.sign(message, { context: utf8('one') })
  await verifySignature({ key: key.publicKey, message, signature, context: utf8('one') })
  for (const context of [undefined, utf8('two'), utf8('on')]) {
    await assert.rejects(verifySignature({ key: key.publicKey, message, signature, context }), {
      code: 'QIP_CRYPTO_SIGNATURE_INVALID',
    })
  }
  const refused = { code: 'QIP_CRYPTO_CONTEXT_REFUSED' }
  await key.sign(message, { context: new Uint8Array(255) })
  await assert.rejects(key.sign(message, { context: new Uint8Array(256) }), refused)
  for (const alg of ['Ed25519', 'ML-DSA-44-Ed25519'] as const) {
    const without = generatePrivateKey(alg, undefined, composites)
    await assert.rejects(without.sign(message, { context: utf8('x') }), refused)
    const plain = await without.sign(message, { context: new Uint8Array(0) })
    const checked = { key: without.publicKey, message, signature: plain }
    await verifySignature(checked)
    await assert.rejects(verifySignature({ ...checked, context: utf8('x') }), refused)
  }
})

// A secret that is easy to find again, whatever it was encoded as. Its second half is public in an SLH-DSA key.
const marker = utf8('MARKED-SECRET-MARKED-SECRET-MARKand-this-half-is-shown-for-slh-dsa')
const secretHalf = marker.subarray(0, 32)

function spellings(secret: Uint8Array): readonly string[] {
  const first = secret.subarray(0, 6)
  const asObject = JSON.stringify(Object.fromEntries(first.entries())).slice(1, -1)
  const encoded = [hex(secret).slice(0, 24), base64(secret).slice(0, 20), base64url(secret).slice(0, 20)]
  return [...encoded, Buffer.from(secret).toString('latin1').slice(0, 12), first.join(','), asObject]
}

function assertHidden(shown: string): void {
  // `inspect` aligns numbers in columns.
  const dense = shown.replaceAll(/\s+/g, '')
  for (const spelling of spellings(secretHalf))
    assert.ok(!dense.includes(spelling), `\`${spelling}\` is shown`)
}

test('the search for secrets finds one that is shown in any form', () => {
  for (const leak of [
    { secret: secretHalf },
    { secret: hex(secretHalf) },
    { secret: Buffer.from(secretHalf) },
    { secret: base64url(secretHalf) },
  ]) {
    assert.throws(() => assertHidden(showings(leak)), /is shown/)
    assert.throws(() => assertHidden(JSON.stringify(leak)), /is shown/)
  }
})

function showings(value: object): string {
  const deep = { showHidden: true, depth: 20, maxArrayLength: null, getters: true, showProxy: true }
  const own = Reflect.ownKeys(value).map((name) => inspect(Reflect.get(value, name), deep))
  return [inspect(value, deep), JSON.stringify(value), JSON.stringify({ ...value }), ...own].join('\n')
}

test('shows the secret in no inspection, JSON or copy', () => {
  const keys: [PrivateKey, number][] = [
    [parsePrivateKey('ML-DSA-44', marker.subarray(0, 32)), 32],
    [parsePrivateKey('Ed25519', marker.subarray(0, 32)), 32],
    [parsePrivateKey('SLH-DSA-SHA2-128s', marker.subarray(0, 64)), 64],
    [parsePrivateKey('ML-DSA-65-Ed25519', marker.subarray(0, 64), composites), 64],
  ]
  for (const [key, size] of keys) {
    assert.deepEqual(Buffer.from(secretBytes(key)), Buffer.from(marker.subarray(0, size)))
    assertHidden(showings(key))
  }
  for (const [alg, size] of [
    ['X-Wing', 32],
    ['ML-KEM-768', 64],
  ] as const) {
    const key = parseKemPrivateKey(alg, marker.subarray(0, size))
    assert.deepEqual(Buffer.from(kemSecretBytes(key)), Buffer.from(marker.subarray(0, size)))
    assertHidden(showings(key))
  }
})

test('shows the secret in no error', async () => {
  const jwk = privateJwk(parsePrivateKey('ML-DSA-44', marker.subarray(0, 32)))
  const other = privateJwk(generatePrivateKey('ML-DSA-44'))
  const kem = parseKemPrivateKey('X-Wing', marker.subarray(0, 32))
  const kemJwk = privateKemJwk(kem)
  const failures: (() => unknown)[] = [
    () => parsePrivateKey('ML-DSA-44', marker.subarray(0, 33)),
    () => parsePrivateKey('nothing', marker),
    () => parsePrivateJwk({ ...jwk, pub: 'pub' in other ? other.pub : '' }),
    () => parsePrivateJwk({ ...jwk, priv: `${'priv' in jwk ? jwk.priv : ''}=` }),
    () => parsePrivateJwk({ ...jwk, kty: 'OKP' }),
    () => parsePrivateKemJwk({ ...kemJwk, priv: `${kemJwk.priv}!` }),
    () => parsePrivateKemJwk({ ...kemJwk, priv: kemJwk.priv.slice(0, 40) }),
    () => parseKemPrivateKey('X-Wing', marker),
    () => openField({ key: kem, sealed: new Uint8Array(1200), aad: new Uint8Array(0) }),
    () => parsePrivateKey('Ed25519', marker.subarray(0, 32)).sign(utf8('x'), { context: utf8('c') }),
  ]
  for (const failure of failures) {
    const error: unknown = await Promise.resolve()
      .then(failure)
      .catch((thrown: unknown) => thrown)
    assert.ok(isQipError(error), 'it fails with one of our errors')
    const shown = [
      inspect(error, { depth: 10, showHidden: true }),
      JSON.stringify(error),
      error.message,
      error.next,
    ]
    assertHidden(shown.join('\n'))
  }
})
