import assert from 'node:assert/strict'
import { createPrivateKey, sign } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { parseProofKey, proofAlgorithms, verifyProofSignature } from './proof-key.ts'
import { generateProofJwk, parseProofSigner, proofSigner } from './proof-signer.ts'
import { generatePrivateKey } from './private-key.ts'

const message = utf8('a message')

for (const alg of proofAlgorithms) {
  test(`signs and verifies with ${alg}`, async () => {
    const { key, sign: signWith } = asBound(generateProofJwk(alg))
    const signature = await signWith(message)
    assert.equal(key.alg, alg)
    await verifyProofSignature({ key, message, signature })
    for (const changed of [
      { message: utf8('another'), signature },
      { message, signature: signature.slice(1) },
    ]) {
      await assert.rejects(verifyProofSignature({ key, ...changed }), {
        code: 'QIP_CRYPTO_SIGNATURE_INVALID',
      })
    }
    const other = parseProofSigner(generateProofJwk(alg)).key
    await assert.rejects(verifyProofSignature({ key: other, message, signature }), {
      code: 'QIP_CRYPTO_SIGNATURE_INVALID',
    })
  })
}

function asBound(jwk: object) {
  const signer = parseProofSigner(jwk)
  return { key: signer.key, sign: (bytes: Uint8Array) => signer.sign(bytes) }
}

// RFC 7515, appendix A.3: key, signing input and signature.
test('verifies the ES256 example of RFC 7515', async () => {
  const key = parseProofKey({
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  })
  await verifyProofSignature({
    key,
    message: utf8(
      'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
    ),
    signature: Buffer.from(
      'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q',
      'base64url',
    ),
  })
})

test('takes no signature of ES256 in DER', async () => {
  const jwk = generateProofJwk('ES256')
  const signature = sign('sha256', message, createPrivateKey({ key: { ...jwk }, format: 'jwk' }))
  const { key } = parseProofSigner(jwk)
  await assert.rejects(verifyProofSignature({ key, message, signature }), {
    code: 'QIP_CRYPTO_SIGNATURE_INVALID',
  })
})

test('a point that is not on the curve verifies nothing', async () => {
  const key = parseProofKey({ kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) })
  await assert.rejects(verifyProofSignature({ key, message, signature: new Uint8Array(64) }), {
    code: 'QIP_CRYPTO_SIGNATURE_INVALID',
  })
})

test('refuses other keys, and secrets', () => {
  const { d: _, ...ec } = generateProofJwk('ES256') as Record<string, string>
  const cases: readonly (readonly [object, string])[] = [
    [{ ...ec, crv: 'P-384' }, 'QIP_CRYPTO_JWK_MALFORMED'],
    [{ ...ec, alg: 'ES384' }, 'QIP_CRYPTO_JWK_MALFORMED'],
    [{ ...ec, x: 'AA' }, 'QIP_CRYPTO_JWK_MALFORMED'],
    [{ ...ec, kty: 'RSA' }, 'QIP_CRYPTO_JWK_MALFORMED'],
    [{ ...ec, use: 'enc' }, 'QIP_CRYPTO_JWK_MALFORMED'],
    [generateProofJwk('ES256'), 'QIP_CRYPTO_JWK_PRIVATE'],
    [generateProofJwk('Ed25519'), 'QIP_CRYPTO_JWK_PRIVATE'],
  ]
  for (const [jwk, code] of cases) assert.throws(() => parseProofKey(jwk), { code })
  assert.throws(() => proofSigner(generatePrivateKey('ML-DSA-65')), { code: 'QIP_CRYPTO_ALGORITHM_UNKNOWN' })
})

test('refuses a private key whose public members are those of another', () => {
  const [one, two] = [generateProofJwk('ES256'), generateProofJwk('ES256')]
  assert.throws(() => parseProofSigner({ ...one, x: two['x'], y: two['y'] }), {
    code: 'QIP_CRYPTO_JWK_MALFORMED',
  })
})
