import { createPublicKey } from 'node:crypto'
import {
  algorithmSizes,
  type AlgorithmOptions,
  compositeSchemes,
  isComposite,
  parseSignatureAlgorithm,
  type PlainAlgorithm,
  plainSchemes,
  type SignatureAlgorithm,
} from './algorithms.ts'
import { CryptoError } from './crypto-errors.ts'
import type { PlainKeyObject } from './lib/scheme.ts'
import { signatureKeyThumbprint } from './lib/thumbprint.ts'

/** A key that checks signatures of exactly one algorithm. */
export interface PublicKey {
  readonly alg: SignatureAlgorithm
  /** FIPS 204 or 205 encoding; 32 bytes of RFC 8032; for a composite one after the other. Not to be written to. */
  readonly bytes: Uint8Array
  /** RFC 7638 thumbprint (SHA-256, base64url) of the JWK: the key's name everywhere but in logs and tokens. */
  readonly kid: string
}

/**
 * Takes a raw public key: checks algorithm and length, copies the bytes.
 *
 * The length is all there is to check: every string of the right length is an ML-DSA or SLH-DSA key (FIPS 204,
 * section 7.2), and an Ed25519 key that is no point of the curve verifies nothing.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` for a name that is no algorithm.
 * @throws {CryptoError} `QIP_CRYPTO_COMPOSITE_NOT_ALLOWED` for a composite without `composites: true`.
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED` for another length.
 */
export function parsePublicKey(alg: string, bytes: Uint8Array, options: AlgorithmOptions = {}): PublicKey {
  const known = parseSignatureAlgorithm(alg, options)
  const { publicBytes } = algorithmSizes(known)
  if (bytes.length !== publicBytes) {
    throw new CryptoError('QIP_CRYPTO_KEY_MALFORMED', {
      algorithm: known,
      reason: `a public key has ${publicBytes} bytes, not ${bytes.length}`,
    })
  }
  const copy = Uint8Array.from(bytes)
  return Object.freeze({ alg: known, bytes: copy, kid: signatureKeyThumbprint(known, copy) })
}

// Handing a key to OpenSSL costs a tenth of a verification, so it is done once for each key.
const imported = new WeakMap<PublicKey, readonly PlainKeyObject[]>()

/** The parts of `key` as OpenSSL holds them: one, or two for a composite. Kept as long as `key` is. */
export function publicKeyObjects(key: PublicKey): readonly PlainKeyObject[] {
  let parts = imported.get(key)
  if (parts === undefined) {
    parts = importParts(key)
    imported.set(key, parts)
  }
  return parts
}

function importParts({ alg, bytes }: PublicKey): readonly PlainKeyObject[] {
  if (!isComposite(alg)) return [importPlain(alg, bytes)]
  const { postQuantum, traditional } = compositeSchemes[alg]
  const cut = plainSchemes[postQuantum].publicBytes
  return [importPlain(postQuantum, bytes.subarray(0, cut)), importPlain(traditional, bytes.subarray(cut))]
}

function importPlain(alg: PlainAlgorithm, bytes: Uint8Array): PlainKeyObject {
  const { type } = plainSchemes[alg]
  return { alg, object: createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: type }) }
}
