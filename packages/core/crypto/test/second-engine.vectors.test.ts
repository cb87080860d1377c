import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, hex, utf8 } from '@quantum-ip/base'
import { seeded } from '@quantum-ip/testing'
import { ml_kem768_x25519 } from '@noble/post-quantum/hybrid.js'
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { slh_dsa_sha2_128s } from '@noble/post-quantum/slh-dsa.js'
import { createHash } from 'node:crypto'
import {
  generatePrivateKey,
  parsePrivateKey,
  parsePublicKey,
  secretBytes,
  verifySignature,
} from '../src/index.ts'
import { kemSecretBytes, parseKemKey, parseKemPrivateKey } from '../src/kem-key.ts'
import { decapsulateSecret, encapsulateSecret } from '../src/lib/kem.ts'

const invalid = { code: 'QIP_CRYPTO_SIGNATURE_INVALID' }
const engines = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const) {
  const noble = engines[alg]

  test(`${alg}: both engines draw the same key from a seed and accept each other's signatures`, async () => {
    const random = seeded(alg)
    for (let i = 0; i < 3; i++) {
      const seed = random.bytes(32)
      const ours = parsePrivateKey(alg, seed)
      const theirs = noble.keygen(seed)
      assert.equal(hex(ours.publicKey.bytes), hex(theirs.publicKey))

      const message = random.bytes(random.integer(0, 200))
      const context = i === 0 ? undefined : random.bytes(random.integer(0, 255))
      const options = context === undefined ? {} : { context }
      const signature = await ours.sign(message, options)
      assert.ok(noble.verify(signature, message, ours.publicKey.bytes, options))
      assert.ok(!noble.verify(signature, message, ours.publicKey.bytes, { context: utf8('another') }))

      const key = parsePublicKey(alg, theirs.publicKey)
      for (const extraEntropy of [false as const, random.bytes(32)]) {
        const foreign = noble.sign(message, theirs.secretKey, { ...options, extraEntropy })
        await verifySignature({ key, message, signature: foreign, context })
        await assert.rejects(
          verifySignature({ key, message, signature: foreign, context: utf8('another') }),
          invalid,
        )
      }
    }
  })
}

test("SLH-DSA-SHA2-128s: both engines accept each other's signatures", async () => {
  const message = utf8('a root document')
  const ours = generatePrivateKey('SLH-DSA-SHA2-128s')
  const context = utf8('context')
  const signature = await ours.sign(message, { context })
  assert.ok(slh_dsa_sha2_128s.verify(signature, message, ours.publicKey.bytes, { context }))
  assert.ok(!slh_dsa_sha2_128s.verify(signature, message, ours.publicKey.bytes))
  // The same 64 bytes are the private key of both engines. Signing takes pure JavaScript seconds, so it signs once.
  const foreign = slh_dsa_sha2_128s.sign(message, secretBytes(ours))
  await verifySignature({ key: ours.publicKey, message, signature: foreign })
})

test('a composite is what its draft says, put together by the other engine', async () => {
  for (const [alg, label] of [
    ['ML-DSA-44-Ed25519', 'COMPSIG-MLDSA44-Ed25519-SHA512'],
    ['ML-DSA-65-Ed25519', 'COMPSIG-MLDSA65-Ed25519-SHA512'],
  ] as const) {
    const noble = engines[alg.slice(0, 9) as 'ML-DSA-44' | 'ML-DSA-65']
    const secret = seeded(alg).bytes(64)
    const message = utf8('the signing input of a JWS')
    const ours = parsePrivateKey(alg, secret, { composites: true })
    const theirs = noble.keygen(secret.subarray(0, 32))
    const classic = parsePrivateKey('Ed25519', secret.subarray(32))
    assert.equal(hex(ours.publicKey.bytes), hex(concatBytes(theirs.publicKey, classic.publicKey.bytes)))

    const digest = createHash('sha512').update(message).digest()
    const wrapped = concatBytes(utf8(`CompositeAlgorithmSignatures2025${label}\0`), digest)
    const context = utf8(label)
    const put = concatBytes(noble.sign(wrapped, theirs.secretKey, { context }), await classic.sign(wrapped))
    await verifySignature({ key: ours.publicKey, message, signature: put })

    const made = await ours.sign(message)
    const cut = noble.lengths.signature as number
    assert.ok(noble.verify(made.subarray(0, cut), wrapped, theirs.publicKey, { context }))
    await verifySignature({ key: classic.publicKey, message: wrapped, signature: made.subarray(cut) })
  }
})

for (const [alg, noble, seedBytes] of [
  ['X-Wing', ml_kem768_x25519, 32],
  ['ML-KEM-768', ml_kem768, 64],
] as const) {
  test(`${alg}: both engines draw the same key from a seed and open each other's encapsulations`, async () => {
    const random = seeded(alg)
    for (let i = 0; i < 3; i++) {
      const seed = random.bytes(seedBytes)
      const ours = parseKemPrivateKey(alg, seed)
      const theirs = noble.keygen(seed)
      assert.equal(hex(ours.publicKey.bytes), hex(theirs.publicKey))
      assert.equal(hex(kemSecretBytes(ours)), hex(seed))

      const { sharedSecret, enc } = await encapsulateSecret(parseKemKey(alg, theirs.publicKey))
      assert.equal(hex(noble.decapsulate(enc, theirs.secretKey)), hex(sharedSecret))
      const foreign = noble.encapsulate(ours.publicKey.bytes)
      assert.equal(hex(await decapsulateSecret(ours, foreign.cipherText)), hex(foreign.sharedSecret))
      // Implicit rejection: another secret, the same one in both engines.
      foreign.cipherText[5] = (foreign.cipherText[5] as number) ^ 1
      const rejected = await decapsulateSecret(ours, foreign.cipherText)
      assert.notEqual(hex(rejected), hex(foreign.sharedSecret))
      assert.equal(hex(rejected), hex(noble.decapsulate(foreign.cipherText, theirs.secretKey)))
    }
  })
}
