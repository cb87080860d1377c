import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { concatBytes, type Random, systemRandom } from '@quantum-ip/base'
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
import { compositeMessage } from './lib/composite.ts'
import { CryptoError } from './crypto-errors.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'
import { type PlainKeyObject, signPlain } from './lib/scheme.ts'

/** Something that signs with one key: a private key in memory, or custody that never lets it out. */
export interface Signer {
  readonly publicKey: PublicKey
  /** A signature over `message`, with the empty context. */
  sign(message: Uint8Array): Promise<Uint8Array>
}

/** What a signature binds besides its message. */
export interface SignOptions {
  /** A context string of FIPS 204 or 205, up to 255 bytes. JOSE, COSE and C2SP always use the empty one. */
  readonly context?: Uint8Array | undefined
}

/**
 * A private key in this process. The secret stays inside of OpenSSL: it is no property of this object, and
 * appears in no inspection, JSON or error. Only {@link secretBytes} and `privateJwk` take it out.
 */
export interface PrivateKey extends Signer {
  /**
   * A signature over `message`, made on the thread pool. ML-DSA and SLH-DSA signatures are hedged (FIPS 204,
   * section 3.4): two over the same message differ, and both hold.
   *
   * Rejects with {@link CryptoError} `QIP_CRYPTO_CONTEXT_REFUSED` if the context is too long or the algorithm has none.
   */
  sign(message: Uint8Array, options?: SignOptions): Promise<Uint8Array>
}

class KeyInMemory implements PrivateKey {
  readonly publicKey: PublicKey
  readonly #parts: readonly PlainKeyObject[]

  constructor(publicKey: PublicKey, parts: readonly PlainKeyObject[]) {
    this.publicKey = publicKey
    this.#parts = parts
  }

  async sign(message: Uint8Array, { context }: SignOptions = {}): Promise<Uint8Array> {
    const { alg } = this.publicKey
    const [first, second] = this.#parts as [PlainKeyObject, PlainKeyObject?]
    if (!isComposite(alg) || second === undefined) return signPlain({ key: first, message, context })
    if (context !== undefined && context.length > 0) {
      throw new CryptoError('QIP_CRYPTO_CONTEXT_REFUSED', {
        algorithm: alg,
        reason: 'its context is always empty',
      })
    }
    const composed = compositeMessage(alg, message)
    const signatures = await Promise.all([
      signPlain({ key: first, ...composed }),
      signPlain({ key: second, message: composed.message }),
    ])
    return concatBytes(...signatures)
  }

  static partsOf(key: PrivateKey): readonly PlainKeyObject[] {
    if (!(#parts in key)) throw new TypeError('not a private key of this process')
    return key.#parts
  }
}

/**
 * Draws a new private key.
 *
 * ML-DSA and Ed25519 keys come from seeds of `random`, so that a seeded simulation draws the same keys again.
 * SLH-DSA keys always come from OpenSSL's own generator, which takes no seed. Runs on the calling thread: 0.1 to
 * 0.2 ms for ML-DSA, 35 ms for SLH-DSA.
 *
 * @throws {CryptoError} `QIP_CRYPTO_COMPOSITE_NOT_ALLOWED` for a composite without `composites: true`.
 */
export function generatePrivateKey(
  alg: SignatureAlgorithm,
  random: Random = systemRandom,
  options: AlgorithmOptions = {},
): PrivateKey {
  const known = parseSignatureAlgorithm(alg, options)
  if (known === 'SLH-DSA-SHA2-128s') {
    return fromParts(known, [{ alg: known, object: generateKeyPairSync('slh-dsa-sha2-128s').privateKey }])
  }
  return parsePrivateKey(known, random.bytes(algorithmSizes(known).secretBytes), options)
}

/**
 * Takes a raw private key: the 32-byte seed of ML-DSA (FIPS 204, section 3.6.3) or Ed25519 (RFC 8032), the 64 bytes
 * of SLH-DSA (FIPS 205, section 9.1), both seeds one after the other for a composite.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` for a name that is no algorithm.
 * @throws {CryptoError} `QIP_CRYPTO_COMPOSITE_NOT_ALLOWED` for a composite without `composites: true`.
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED` for another length.
 */
export function parsePrivateKey(alg: string, secret: Uint8Array, options: AlgorithmOptions = {}): PrivateKey {
  const known = parseSignatureAlgorithm(alg, options)
  const sizes = algorithmSizes(known)
  if (secret.length !== sizes.secretBytes) {
    throw new CryptoError('QIP_CRYPTO_KEY_MALFORMED', {
      algorithm: known,
      reason: `a private key has ${sizes.secretBytes} bytes, not ${secret.length}`,
    })
  }
  if (!isComposite(known)) return fromParts(known, [importPlain(known, secret)])
  const { postQuantum, traditional } = compositeSchemes[known]
  const cut = plainSchemes[postQuantum].secretBytes
  return fromParts(known, [
    importPlain(postQuantum, secret.subarray(0, cut)),
    importPlain(traditional, secret.subarray(cut)),
  ])
}

/**
 * The raw secret of `key`, as {@link parsePrivateKey} takes it. For custody, which seals it before it goes anywhere.
 *
 * @throws {TypeError} if `key` does not live in this process.
 */
export function secretBytes(key: PrivateKey): Uint8Array {
  return concatBytes(
    ...KeyInMemory.partsOf(key).map(({ alg, object }) =>
      object.export({ format: plainSchemes[alg].secretFormat }),
    ),
  )
}

function fromParts(alg: SignatureAlgorithm, parts: readonly PlainKeyObject[]): PrivateKey {
  const publics = parts.map(({ object }) => createPublicKey(object).export({ format: 'raw-public' }))
  return new KeyInMemory(parsePublicKey(alg, concatBytes(...publics), { composites: true }), parts)
}

function importPlain(alg: PlainAlgorithm, secret: Uint8Array): PlainKeyObject {
  const { type, secretFormat } = plainSchemes[alg]
  return { alg, object: createPrivateKey({ key: secret, format: secretFormat, asymmetricKeyType: type }) }
}
