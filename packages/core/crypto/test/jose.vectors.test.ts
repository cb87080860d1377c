import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readVectors, skipWithoutVectors } from '@quantum-ip/testing'
import { compactVerify, CompactSign, importJWK } from 'jose'
import {
  generatePrivateKey,
  jwkThumbprint,
  parsePrivateJwk,
  parsePrivateKey,
  parsePublicJwk,
  privateJwk,
  publicJwk,
  verifySignature,
} from '../src/index.ts'

interface Example {
  readonly priv: string
  readonly jwk: Record<string, string>
  readonly jws: string
  readonly raw_to_be_signed: string
  readonly raw_signature: string
  readonly raw_public_key: string
}

const skip = skipWithoutVectors('jose')
const bytes = (text: string) => Buffer.from(text, 'hex')

for (const alg of ['ML-DSA-44', 'ML-DSA-65'] as const) {
  test(`reads and verifies the ${alg} example of RFC 9964`, { skip }, async () => {
    const example = readVectors(`jose/${alg.replaceAll('-', '_')}.jose`) as Example
    const { priv: _, ...publicHalf } = example.jwk
    const key = parsePublicJwk(publicHalf)
    assert.equal(key.alg, alg)
    assert.equal(Buffer.from(key.bytes).toString('hex'), example.raw_public_key)
    assert.equal(key.kid, example.jwk['kid'])
    assert.equal(jwkThumbprint(example.jwk), example.jwk['kid'])
    assert.equal(parsePrivateJwk(example.jwk).publicKey.kid, key.kid)
    assert.equal(parsePrivateKey(alg, bytes(example.priv)).publicKey.kid, key.kid)

    const [header, payload, signature] = example.jws.split('.')
    const signingInput = Buffer.from(`${header}.${payload}`)
    assert.equal(signingInput.toString('hex'), example.raw_to_be_signed)
    assert.equal(Buffer.from(signature as string, 'base64url').toString('hex'), example.raw_signature)
    await verifySignature({ key, message: signingInput, signature: bytes(example.raw_signature) })
    await assert.rejects(
      verifySignature({ key, message: signingInput.subarray(1), signature: bytes(example.raw_signature) }),
      { code: 'QIP_CRYPTO_SIGNATURE_INVALID' },
    )
  })
}

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87', 'Ed25519'] as const) {
  test(`${alg} keys and signatures pass to the JOSE library and back`, async () => {
    const key = generatePrivateKey(alg)
    const jwk = { ...privateJwk(key) }
    const theirs = await new CompactSign(Buffer.from('payload'))
      .setProtectedHeader({ alg })
      .sign(await importJWK(jwk, alg))
    const [header, payload, signature] = theirs.split('.') as [string, string, string]
    const message = Buffer.from(`${header}.${payload}`)
    await verifySignature({ key: key.publicKey, message, signature: Buffer.from(signature, 'base64url') })

    const ours = `${header}.${payload}.${Buffer.from(await key.sign(message)).toString('base64url')}`
    const verified = await compactVerify(ours, await importJWK({ ...publicJwk(key.publicKey) }, alg))
    assert.equal(Buffer.from(verified.payload).toString(), 'payload')
  })
}
