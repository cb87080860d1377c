import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { seeded } from '@quantum-ip/testing'
import { algorithmSizes, compositeSchemes, type SignatureAlgorithm } from './algorithms.ts'
import { generatePrivateKey, type PrivateKey, type Signer } from './private-key.ts'
import { signVerified, verifySignature, verifySignatureSync } from './signature.ts'

const composites = { composites: true }
const message = utf8('what was meant')
const invalid = { code: 'QIP_CRYPTO_SIGNATURE_INVALID' }
const keys = (
  [
    'ML-DSA-44',
    'ML-DSA-65',
    'ML-DSA-87',
    'SLH-DSA-SHA2-128s',
    'Ed25519',
    'ML-DSA-44-Ed25519',
    'ML-DSA-65-Ed25519',
  ] as const
).map((alg) => generatePrivateKey(alg, undefined, composites))

async function refuses(input: Parameters<typeof verifySignatureSync>[0]): Promise<void> {
  await assert.rejects(verifySignature(input), invalid)
  assert.throws(() => verifySignatureSync(input), invalid)
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

for (const { publicKey: key, sign } of keys.map((each) => ({
  publicKey: each.publicKey,
  sign: each.sign.bind(each),
}))) {
  test(`${key.alg} holds for its message, key and bytes, and for nothing else`, async () => {
    const signature = await sign(message)
    assert.equal(signature.length, algorithmSizes(key.alg).signatureBytes)
    await verifySignature({ key, message, signature })
    verifySignatureSync({ key, message, signature })

    const random = seeded(key.alg)
    for (let i = 0; i < 8; i++) {
      await refuses({
        key,
        message,
        signature: flipped(signature, random.integer(0, signature.length * 8 - 1)),
      })
    }
    await refuses({ key, message: flipped(message, 0), signature })
    await refuses({ key, message: message.subarray(1), signature })
    await refuses({ key: generatePrivateKey(key.alg, undefined, composites).publicKey, message, signature })
    for (const size of [0, 1, signature.length - 1])
      await refuses({ key, message, signature: signature.subarray(0, size) })
    await refuses({ key, message, signature: new Uint8Array([...signature, 0]) })
  })
}

test('signs the empty message and one of a megabyte', async () => {
  const key = generatePrivateKey('ML-DSA-44')
  for (const each of [new Uint8Array(0), new Uint8Array(1_048_576).fill(5)]) {
    await verifySignature({ key: key.publicKey, message: each, signature: await key.sign(each) })
  }
})

test('a composite needs both of its parts', async () => {
  for (const alg of ['ML-DSA-44-Ed25519', 'ML-DSA-65-Ed25519'] as const) {
    const mine = generatePrivateKey(alg, undefined, composites)
    const other = generatePrivateKey(alg, undefined, composites)
    const cut = algorithmSizes(compositeSchemes[alg].postQuantum).signatureBytes
    const [good, bad] = await Promise.all([mine.sign(message), other.sign(message)])
    const mixed = (first: Uint8Array, second: Uint8Array) =>
      new Uint8Array([...first.subarray(0, cut), ...second.subarray(cut)])
    verifySignatureSync({ key: mine.publicKey, message, signature: mixed(good, good) })
    await refuses({ key: mine.publicKey, message, signature: mixed(good, bad) })
    await refuses({ key: mine.publicKey, message, signature: mixed(bad, good) })
  }
})

test('the parts of a composite do not hold on their own', async () => {
  const secret = new Uint8Array(32).fill(9)
  const random = { bytes: () => new Uint8Array([...secret, ...secret]) }
  const composite = generatePrivateKey('ML-DSA-44-Ed25519', random, composites)
  const alone = generatePrivateKey('ML-DSA-44', { bytes: () => secret })
  assert.deepEqual(composite.publicKey.bytes.subarray(0, 1312), alone.publicKey.bytes)
  const signature = await composite.sign(message)
  await refuses({ key: alone.publicKey, message, signature: signature.subarray(0, 2420) })
})

test('a signer that errs is found out before its signature is released', async () => {
  const honest = generatePrivateKey('ML-DSA-44')
  const faulty: Signer = {
    publicKey: honest.publicKey,
    sign: async (bytes) => flipped(await honest.sign(bytes), 100),
  }
  const swapped: Signer = {
    publicKey: generatePrivateKey('ML-DSA-44').publicKey,
    sign: (bytes) => honest.sign(bytes),
  }
  await verifySignature({ key: honest.publicKey, message, signature: await signVerified(honest, message) })
  for (const signer of [faulty, swapped]) {
    await assert.rejects(signVerified(signer, message), { code: 'QIP_CRYPTO_SIGNER_FAULTY', fault: 'defect' })
  }
})

test('two hedged signatures over one message differ', async () => {
  const [first, second] = await Promise.all([1, 2].map(() => (keys[0] as PrivateKey).sign(message)))
  assert.notDeepEqual(first, second)
})

test('the event loop turns while signatures are made and checked', async () => {
  const key = generatePrivateKey('SLH-DSA-SHA2-128s')
  let turned = false
  setImmediate(() => (turned = true))
  const signature = await key.sign(message)
  assert.ok(turned)
  turned = false
  setImmediate(() => (turned = true))
  await Promise.all(
    Array.from({ length: 50 }, () => verifySignature({ key: key.publicKey, message, signature })),
  )
  assert.ok(turned)
})

test('a key that was cloned to another thread still verifies', async () => {
  const key = generatePrivateKey('ML-DSA-44')
  const signature = await key.sign(message)
  await verifySignature({ key: structuredClone(key.publicKey), message, signature })
})

test('names algorithm and key, and never the message, in a refusal', async () => {
  const { publicKey: key } = keys[0] as PrivateKey
  await assert.rejects(verifySignature({ key, message, signature: new Uint8Array(2420) }), (error: Error) => {
    assert.ok(
      error.message.includes(key.kid) && error.message.includes('ML-DSA-44' satisfies SignatureAlgorithm),
    )
    assert.ok(!error.message.includes('what was meant'))
    return true
  })
})
