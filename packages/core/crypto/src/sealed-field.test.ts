import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, parseHex, utf8 } from '@quantum-ip/base'
import { seeded, seededRandom } from '@quantum-ip/testing'
import { kemJwk, parseKemJwk, parsePrivateKemJwk, privateKemJwk } from './kem-jwk.ts'
import {
  generateKemKey,
  type KemAlgorithm,
  kemSecretBytes,
  parseKemKey,
  parseKemPrivateKey,
} from './kem-key.ts'
import { hpkeSchedule } from './lib/hpke.ts'
import { openField, sealField } from './sealed-field.ts'

const algorithms: readonly KemAlgorithm[] = ['X-Wing', 'ML-KEM-768']
const plaintext = utf8('Ada Lovelace')
const aad = utf8('attestation 7, field `person`')
const refused = { code: 'QIP_CRYPTO_FIELD_REFUSED' }
const malformed = { code: 'QIP_CRYPTO_FIELD_MALFORMED' }

for (const alg of algorithms) {
  const key = generateKemKey(alg)
  const overhead = alg === 'X-Wing' ? 1136 : 1104

  test(`a field sealed with ${alg} opens with its key and additional data`, async () => {
    for (const each of [plaintext, new Uint8Array(0), new Uint8Array(65_536).fill(3)]) {
      const sealed = await sealField({ key: key.publicKey, plaintext: each, aad })
      assert.equal(sealed.length, each.length + overhead)
      assert.equal(hex(await openField({ key, sealed, aad })), hex(each))
    }
  })

  test(`a field sealed with ${alg} opens with nothing else`, async () => {
    const sealed = await sealField({ key: key.publicKey, plaintext, aad })
    await assert.rejects(openField({ key: generateKemKey(alg), sealed, aad }), refused)
    for (const other of [utf8(''), aad.subarray(1)])
      await assert.rejects(openField({ key, sealed, aad: other }), refused)
    const random = seeded(alg)
    for (let i = 0; i < 12; i++) {
      const changed = Uint8Array.from(sealed)
      // The last byte, which holds the tag; the X25519 share; any other.
      const at = [changed.length - 1, 1090][i] ?? random.integer(0, changed.length - 1)
      changed[at] = (changed[at] as number) ^ 1
      await assert.rejects(openField({ key, sealed: changed, aad }), refused, `byte ${at}`)
    }
    await assert.rejects(openField({ key, sealed: new Uint8Array([...sealed, 0]), aad }), refused)
  })

  test(`refuses bytes that cannot be a field of ${alg}`, async () => {
    const publicKey = key.publicKey
    for (const size of [0, overhead - 1, overhead + 65_537]) {
      await assert.rejects(openField({ key, sealed: new Uint8Array(size), aad }), malformed)
    }
    await assert.rejects(openField({ key, sealed: new Uint8Array(overhead), aad }), refused)
    await assert.rejects(sealField({ key: publicKey, plaintext: new Uint8Array(65_537), aad }), malformed)
  })

  test(`sealing twice with ${alg} gives two different fields`, async () => {
    const input = { key: key.publicKey, plaintext, aad }
    assert.notDeepEqual(await sealField(input), await sealField(input))
  })

  test(`${alg} keys go out and in again, as bytes and as JWK`, async () => {
    const { publicKey } = key
    assert.deepEqual(parseKemKey(alg, publicKey.bytes), publicKey)
    assert.deepEqual(parseKemJwk(JSON.parse(JSON.stringify(kemJwk(publicKey)))), publicKey)
    assert.equal(parseKemPrivateKey(alg, kemSecretBytes(key)).publicKey.kid, publicKey.kid)
    const again = parsePrivateKemJwk(JSON.parse(JSON.stringify(privateKemJwk(key))))
    const sealed = await sealField({ key: structuredClone(publicKey), plaintext, aad })
    assert.equal(hex(await openField({ key: again, sealed, aad })), hex(plaintext))
    assert.equal(
      generateKemKey(alg, seededRandom(1)).publicKey.kid,
      generateKemKey(alg, seededRandom(1)).publicKey.kid,
    )
  })

  test(`refuses malformed ${alg} keys`, () => {
    const jwk = privateKemJwk(key)
    const { priv: _, ...publicHalf } = jwk
    const other = privateKemJwk(generateKemKey(alg))
    const code = 'QIP_CRYPTO_JWK_MALFORMED'
    assert.throws(() => parseKemJwk(jwk), { code: 'QIP_CRYPTO_JWK_PRIVATE' })
    assert.throws(() => parseKemJwk({ ...publicHalf, kty: 'OKP' }), { code })
    assert.throws(() => parseKemJwk({ ...publicHalf, use: 'sig' }), { code })
    assert.throws(() => parsePrivateKemJwk({ ...jwk, priv: other.priv }), { code })
    assert.throws(() => parsePrivateKemJwk(publicHalf), { code })
    assert.throws(() => parseKemJwk({ ...publicHalf, alg: 'HPKE-0' }), {
      code: 'QIP_CRYPTO_ALGORITHM_UNKNOWN',
    })
    for (const size of [0, 31, 33, 63, 65]) {
      assert.throws(() => parseKemPrivateKey(alg, new Uint8Array(size)), { code: 'QIP_CRYPTO_KEY_MALFORMED' })
    }
    for (const size of [0, publicHalf.pub.length]) {
      assert.throws(() => parseKemKey(alg, new Uint8Array(size)), { code: 'QIP_CRYPTO_KEY_MALFORMED' })
    }
    const unreduced = Uint8Array.from(key.publicKey.bytes).fill(0xff, 0, 3)
    assert.throws(() => parseKemKey(alg, unreduced), { code: 'QIP_CRYPTO_KEY_MALFORMED' })
  })
}

test('a field for one KEM does not open with the key of the other', async () => {
  const seed = new Uint8Array(64).fill(1)
  const plain = parseKemPrivateKey('ML-KEM-768', seed)
  const sealed = await sealField({ key: plain.publicKey, plaintext: new Uint8Array(32), aad })
  await assert.rejects(
    openField({ key: parseKemPrivateKey('X-Wing', seed.subarray(32)), sealed, aad }),
    refused,
  )
})

test('a low-order X25519 share is refused like any other wrong field', async () => {
  const key = generateKemKey('X-Wing')
  const sealed = await sealField({ key: key.publicKey, plaintext, aad })
  await assert.rejects(openField({ key, sealed: Uint8Array.from(sealed).fill(0, 1088, 1120), aad }), refused)
})

test('does not seal for a key whose X25519 part is of low order', async () => {
  const bytes = Uint8Array.from(generateKemKey('X-Wing').publicKey.bytes).fill(0, 1184)
  await assert.rejects(async () => sealField({ key: parseKemKey('X-Wing', bytes), plaintext, aad }), {
    code: 'QIP_CRYPTO_KEY_MALFORMED',
  })
})

test('the key schedule equals the one of draft-ietf-hpke-pq, suite 0x647a, 0x0011, 0x0003', () => {
  const { key, nonce } = hpkeSchedule({
    suite: { kem: 0x647a, kdf: 0x0011, aead: 0x0003 },
    sharedSecret: parseHex('d9994083f7879bfd2333bab88dad36c0473eb67daeabb4f7d4e4dca56c63ddb4'),
    info: parseHex('34663634363532303666366532303631323034373732363536333639363136653230353537323665'),
  })
  assert.equal(hex(key), 'fde2cb86e35b2adbc0730e09b87aff8e71703975b90512c9d5b9816bc26b2719')
  assert.equal(hex(nonce), 'cebe8333792f645648e6188e')
})
