import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'
import { type PrivateKey, secretBytes } from '@quantum-ip/crypto'

const schemes = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const

/** A signature over an externally computed μ: of another engine than the one that verifies it, as at a real service. */
export function signMu(key: PrivateKey, mu: Uint8Array): Uint8Array {
  const scheme = schemes[key.publicKey.alg as keyof typeof schemes]
  const { secretKey } = scheme.keygen(secretBytes(key))
  return scheme.internal.sign(mu, secretKey, { externalMu: true })
}
