import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { concatBytes, type Random, systemRandom } from '@quantum-ip/base'
import { CryptoError } from './crypto-errors.ts'
import { shake256 } from './lib/shake256.ts'
import { akpThumbprint } from './lib/thumbprint.ts'

/**
 * The key encapsulation mechanisms, by name.
 *
 * - `X-Wing`: ML-KEM-768 and X25519, secure while either is (draft-connolly-cfrg-xwing-kem-11)
 * - `ML-KEM-768`: FIPS 203 alone
 */
export type KemAlgorithm = 'X-Wing' | 'ML-KEM-768'

/** A public key to seal fields for. */
export interface KemKey {
  readonly alg: KemAlgorithm
  /** FIPS 203 encoding; for X-Wing followed by 32 bytes of RFC 7748. Not to be written to. */
  readonly bytes: Uint8Array
  /** RFC 7638 thumbprint (SHA-256, base64url) of the AKP JWK. */
  readonly kid: string
}

/** A private key that opens sealed fields. Its secret is no property: it appears in no inspection, JSON or error. */
export interface KemPrivateKey {
  readonly publicKey: KemKey
}

/** What a KEM's keys are made of, as OpenSSL holds it. */
export interface KemParts {
  readonly mlKem: KeyObject
  /** Absent for ML-KEM-768 alone. */
  readonly x25519?: KeyObject
}

const kemSizes: Readonly<Record<KemAlgorithm, { publicBytes: number; secretBytes: number }>> = {
  'X-Wing': { publicBytes: 1216, secretBytes: 32 },
  'ML-KEM-768': { publicBytes: 1184, secretBytes: 64 },
}
const mlKemPublicBytes = kemSizes['ML-KEM-768'].publicBytes
const mlKemSeedBytes = kemSizes['ML-KEM-768'].secretBytes

class KemKeyInMemory implements KemPrivateKey {
  readonly publicKey: KemKey
  readonly #parts: KemParts
  readonly #secret: Uint8Array

  constructor(publicKey: KemKey, parts: KemParts, secret: Uint8Array) {
    this.publicKey = publicKey
    this.#parts = parts
    this.#secret = secret
  }

  static of(key: KemPrivateKey): KemKeyInMemory {
    if (!(#secret in key)) throw new TypeError('not a private key of this process')
    return key
  }

  static partsOf(key: KemPrivateKey): KemParts {
    return KemKeyInMemory.of(key).#parts
  }

  static secretOf(key: KemPrivateKey): Uint8Array {
    return Uint8Array.from(KemKeyInMemory.of(key).#secret)
  }
}

/** Draws a new private key from a seed of `random`; 0.1 ms on the calling thread. */
export function generateKemKey(alg: KemAlgorithm = 'X-Wing', random: Random = systemRandom): KemPrivateKey {
  return parseKemPrivateKey(alg, random.bytes(kemSizes[parseKemAlgorithm(alg)].secretBytes))
}

/**
 * Takes a raw private key: the 32-byte seed of X-Wing, expanded with SHAKE256 as its draft says (section 5.2), or d ‖ z of
 * ML-KEM (FIPS 203, section 7.1).
 *
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` for a name that is no KEM.
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED` for another length.
 */
export function parseKemPrivateKey(alg: string, secret: Uint8Array): KemPrivateKey {
  const known = parseKemAlgorithm(alg)
  checkLength({ alg: known, kind: 'private', expected: kemSizes[known].secretBytes, found: secret.length })
  const kept = Uint8Array.from(secret)
  const expanded = known === 'X-Wing' ? shake256(kept, mlKemSeedBytes + 32) : kept
  const mlKem = importPrivate('ml-kem-768', expanded.subarray(0, mlKemSeedBytes))
  if (known === 'ML-KEM-768') return new KemKeyInMemory(parseKemKey(known, rawPublic(mlKem)), { mlKem }, kept)
  const x25519 = importPrivate('x25519', expanded.subarray(mlKemSeedBytes))
  const publicKey = parseKemKey(known, concatBytes(rawPublic(mlKem), rawPublic(x25519)))
  return new KemKeyInMemory(publicKey, { mlKem, x25519 }, kept)
}

/**
 * Takes a raw public key: checks the length, and the ML-KEM part as FIPS 203, section 7.2, demands; copies the bytes.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` for a name that is no KEM.
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED` for another length, or coefficients that are not reduced.
 */
export function parseKemKey(alg: string, bytes: Uint8Array): KemKey {
  const known = parseKemAlgorithm(alg)
  checkLength({ alg: known, kind: 'public', expected: kemSizes[known].publicBytes, found: bytes.length })
  const copy = Uint8Array.from(bytes)
  const key = Object.freeze({ alg: known, bytes: copy, kid: akpThumbprint(known, copy) })
  imported.set(key, importPublicParts(key))
  return key
}

const imported = new WeakMap<KemKey, KemParts>()

/** The parts of a public key. */
export function kemKeyParts(key: KemKey): KemParts {
  return imported.get(key) ?? importPublicParts(key)
}

/** The parts of a private key. */
export function kemPrivateKeyParts(key: KemPrivateKey): KemParts {
  return KemKeyInMemory.partsOf(key)
}

/**
 * The raw secret of `key`, as {@link parseKemPrivateKey} takes it. For custody, which seals it before it goes anywhere.
 *
 * @throws {TypeError} if `key` does not live in this process.
 */
export function kemSecretBytes(key: KemPrivateKey): Uint8Array {
  return KemKeyInMemory.secretOf(key)
}

function parseKemAlgorithm(name: string): KemAlgorithm {
  if (name === 'X-Wing' || name === 'ML-KEM-768') return name
  throw new CryptoError('QIP_CRYPTO_ALGORITHM_UNKNOWN', { algorithm: name })
}

function checkLength(key: { alg: KemAlgorithm; kind: string; expected: number; found: number }): void {
  if (key.found === key.expected) return
  const reason = `a ${key.kind} key has ${key.expected} bytes, not ${key.found}`
  throw new CryptoError('QIP_CRYPTO_KEY_MALFORMED', { algorithm: key.alg, reason })
}

function importPublicParts({ alg, bytes }: KemKey): KemParts {
  const mlKem = importMlKemPublic(alg, bytes.subarray(0, mlKemPublicBytes))
  if (alg === 'ML-KEM-768') return { mlKem }
  return { mlKem, x25519: importPublic('x25519', bytes.subarray(mlKemPublicBytes)) }
}

function importMlKemPublic(algorithm: KemAlgorithm, bytes: Uint8Array): KeyObject {
  try {
    return importPublic('ml-kem-768', bytes)
  } catch (cause) {
    const reason = 'the encapsulation key is not reduced (FIPS 203, section 7.2)'
    throw new CryptoError('QIP_CRYPTO_KEY_MALFORMED', { algorithm, reason }, { cause })
  }
}

function importPublic(type: 'ml-kem-768' | 'x25519', bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: type })
}

function importPrivate(type: 'ml-kem-768' | 'x25519', secret: Uint8Array): KeyObject {
  const format = type === 'x25519' ? 'raw-private' : 'raw-seed'
  return createPrivateKey({ key: secret, format, asymmetricKeyType: type })
}

function rawPublic(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ format: 'raw-public' })
}
