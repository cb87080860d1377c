import { createPublicKey, verify } from 'node:crypto'
import { CryptoError } from './crypto-errors.ts'
import { parsePublicJwk, publicJwk } from './jwk.ts'
import { jwkThumbprint } from './jwk-thumbprint.ts'
import {
  checkJwkUse,
  hasMember,
  jwkBytes,
  type JwkMembers,
  jwkMembers,
  jwkString,
  malformed,
  privateMember,
  privateRefused,
} from './lib/jwk-members.ts'
import { verifySignature } from './signature.ts'

/**
 * The algorithms of keys that callers prove to have. ES256 is what WIMSE asks everybody to support; it signs nothing of the trust
 * domain, so it is no {@link SignatureAlgorithm}. ML-DSA-65 is not among them: key and signature do not fit a header field.
 */
export type ProofAlgorithm = 'ML-DSA-44' | 'Ed25519' | 'ES256'

/** The algorithms, in a fixed order. */
export const proofAlgorithms = ['ML-DSA-44', 'Ed25519', 'ES256'] as const satisfies readonly ProofAlgorithm[]

/** A P-256 key of RFC 7518, section 6.2. */
export interface EcPublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly alg: 'ES256'
  readonly x: string
  readonly y: string
}

/** A proof key as JSON: what goes into the header of a proof. */
export type ProofJwk =
  | EcPublicJwk
  | { readonly kty: 'AKP'; readonly alg: 'ML-DSA-44'; readonly pub: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly alg: 'Ed25519'; readonly x: string }

/** The public key of a caller that proves to have the private one. Trusted for nothing but what a token confirms (`cnf`). */
export interface ProofKey {
  readonly alg: ProofAlgorithm
  /** RFC 7638 thumbprint (SHA-256, base64url): what a token is bound to. */
  readonly kid: string
  readonly jwk: ProofJwk
}

/**
 * Reads a caller's public key: AKP with ML-DSA-44, OKP with Ed25519 or EC with P-256.
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED`, `QIP_CRYPTO_KEY_MALFORMED` or `QIP_CRYPTO_ALGORITHM_UNKNOWN` for any other.
 * @throws {CryptoError} `QIP_CRYPTO_JWK_PRIVATE` if it holds a secret.
 */
export function parseProofKey(jwk: unknown): ProofKey {
  const members = jwkMembers(jwk)
  return jwkString(members, 'kty') === 'EC' ? parseEc(members) : parseOther(members)
}

/** The form in a header: required members and `alg`, nothing else. */
function parseOther(members: JwkMembers): ProofKey {
  const key = parsePublicJwk(members)
  const { kid, ...jwk } = publicJwk(key)
  if (jwk.alg !== 'ML-DSA-44' && jwk.alg !== 'Ed25519') {
    throw new CryptoError('QIP_CRYPTO_ALGORITHM_UNKNOWN', { algorithm: key.alg })
  }
  return { alg: jwk.alg, kid, jwk: jwk as ProofJwk }
}

function parseEc(members: JwkMembers): ProofKey {
  const secret = privateMember(members)
  if (secret !== undefined) throw privateRefused(secret)
  checkJwkUse(members, { refused: 'enc', operation: 'verify' })
  if (jwkString(members, 'crv') !== 'P-256') throw malformed('`crv` is not `P-256`')
  if (hasMember(members, 'alg') && jwkString(members, 'alg') !== 'ES256')
    throw malformed('`alg` is not `ES256`')
  for (const name of ['x', 'y']) {
    if (jwkBytes(members, name).length !== 32) throw malformed(`\`${name}\` has not 32 bytes`)
  }
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    alg: 'ES256',
    x: jwkString(members, 'x'),
    y: jwkString(members, 'y'),
  } as const
  return { alg: 'ES256', kid: jwkThumbprint(jwk), jwk }
}

/** A signature by a caller's key. */
export interface ProofToVerify {
  readonly key: ProofKey
  readonly message: Uint8Array
  /** As in JWS: for ES256 the two halves of 32 bytes, not DER (RFC 7518, section 3.4). */
  readonly signature: Uint8Array
}

/**
 * Checks a caller's signature on the thread pool.
 *
 * @throws {CryptoError} `QIP_CRYPTO_SIGNATURE_INVALID` unless it holds; a wrong length, or a key that is no point of its curve, is no different.
 */
export async function verifyProofSignature({ key, message, signature }: ProofToVerify): Promise<void> {
  const { alg, kid, jwk } = key
  if (alg !== 'ES256') {
    await verifySignature({ key: parsePublicJwk(jwk), message, signature })
  } else if (!(await checkEs256(key, message, signature))) {
    throw new CryptoError('QIP_CRYPTO_SIGNATURE_INVALID', { algorithm: alg, kid })
  }
}

function checkEs256({ jwk }: ProofKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (signature.length !== es256Bytes) return Promise.resolve(false)
  return new Promise((resolve) => {
    try {
      const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
      verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature, (error, holds) => {
        resolve(error === null && holds)
      })
    } catch {
      // OpenSSL takes no key that is not on the curve.
      resolve(false)
    }
  })
}

const es256Bytes = 64

/** Bytes of a signature in a proof. */
export function proofSignatureBytes(alg: ProofAlgorithm): number {
  return alg === 'ML-DSA-44' ? 2_420 : es256Bytes
}
