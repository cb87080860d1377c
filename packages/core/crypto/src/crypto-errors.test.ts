import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { CryptoError, type CryptoErrorDetails } from './crypto-errors.ts'

const samples: { readonly [Code in keyof CryptoErrorDetails]: CryptoErrorDetails[Code] } = {
  QIP_CRYPTO_ALGORITHM_UNKNOWN: { algorithm: 'ES256' },
  QIP_CRYPTO_COMPOSITE_NOT_ALLOWED: { algorithm: 'ML-DSA-44-Ed25519' },
  QIP_CRYPTO_KEY_MALFORMED: { algorithm: 'ML-DSA-44', reason: 'a reason' },
  QIP_CRYPTO_JWK_MALFORMED: { reason: 'a reason' },
  QIP_CRYPTO_JWK_PRIVATE: { member: 'priv' },
  QIP_CRYPTO_CONTEXT_REFUSED: { algorithm: 'Ed25519', reason: 'a reason' },
  QIP_CRYPTO_SIGNATURE_INVALID: { algorithm: 'ML-DSA-44', kid: 'kid' },
  QIP_CRYPTO_SIGNER_FAULTY: { algorithm: 'ML-DSA-44', kid: 'kid' },
  QIP_CRYPTO_VKEY_MALFORMED: { reason: 'a reason' },
  QIP_CRYPTO_ENVELOPE_MALFORMED: { reason: 'a reason' },
  QIP_CRYPTO_ENVELOPE_TYPE_MISMATCH: { expected: 'text/plain' },
  QIP_CRYPTO_ENVELOPE_POLICY_INVALID: { reason: 'a reason' },
  QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED: { threshold: 2, signed: 1 },
  QIP_CRYPTO_FIELD_MALFORMED: { reason: 'a reason' },
  QIP_CRYPTO_FIELD_REFUSED: { kid: 'kid' },
}

for (const code of Object.keys(samples) as (keyof CryptoErrorDetails)[]) {
  test(`${code} reads as the style asks`, () => {
    const error = new CryptoError(code, samples[code])
    assert.ok(isQipError(error, code))
    assert.equal(error.name, 'CryptoError')
    for (const text of [error.message, error.next ?? 'nothing']) {
      assert.match(text, /^[^A-Z].*[^.]$/s)
      assert.ok(!text.includes('undefined') && !text.includes('[object'))
    }
  })
}
