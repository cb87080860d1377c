import {
  createHash,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { concatBytes, utf8 } from '@quantum-ip/base'
import { CryptoError } from '../crypto-errors.ts'
import {
  type KemAlgorithm,
  type KemKey,
  kemKeyParts,
  type KemPrivateKey,
  kemPrivateKeyParts,
} from '../kem-key.ts'

/** A fresh shared secret and what its receiver needs to find it. */
export interface Encapsulated {
  /** 32 bytes. */
  readonly sharedSecret: Uint8Array
  /** The KEM's ciphertext. */
  readonly enc: Uint8Array
}

/** Bytes of `enc`: FIPS 203, table 3; for X-Wing 32 more. */
export const encapsulatedBytes: Readonly<Record<KemAlgorithm, number>> = {
  'X-Wing': 1120,
  'ML-KEM-768': 1088,
}

// draft-connolly-cfrg-xwing-kem-11, section 5.3: a little picture, six bytes of ASCII.
const xWingLabel = utf8('\\.//^\\')

/**
 * Encapsulates a fresh secret for `key`, on the thread pool. Randomness is OpenSSL's own.
 *
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED` if the X25519 part of an X-Wing key is of low order.
 */
export async function encapsulateSecret(key: KemKey): Promise<Encapsulated> {
  const { mlKem, x25519 } = kemKeyParts(key)
  const inner = await mlKemEncapsulate(mlKem)
  if (x25519 === undefined) return inner
  const ephemeral = generateKeyPairSync('x25519')
  const ctX = ephemeral.publicKey.export({ format: 'raw-public' })
  const ssX = await agree(ephemeral.privateKey, x25519).catch((cause: unknown) => {
    // OpenSSL refuses the all-zero secret that such a point gives with every private key (RFC 7748, section 6.1).
    const reason = 'its X25519 part is a point of low order'
    throw new CryptoError('QIP_CRYPTO_KEY_MALFORMED', { algorithm: key.alg, reason }, { cause })
  })
  const sharedSecret = combine({ ssM: inner.sharedSecret, ssX, ctX, pkX: x25519 })
  return { sharedSecret, enc: concatBytes(inner.enc, ctX) }
}

/**
 * Finds the secret in `enc`, on the thread pool. Another `enc` of the right length gives another secret, not an error
 * (FIPS 203, implicit rejection).
 */
export async function decapsulateSecret(key: KemPrivateKey, enc: Uint8Array): Promise<Uint8Array> {
  const { mlKem, x25519 } = kemPrivateKeyParts(key)
  const cut = encapsulatedBytes['ML-KEM-768']
  const ssM = await mlKemDecapsulate(mlKem, enc.subarray(0, cut))
  if (x25519 === undefined) return ssM
  const ctX = enc.subarray(cut)
  const ssX = await agree(
    x25519,
    createPublicKey({ key: ctX, format: 'raw-public', asymmetricKeyType: 'x25519' }),
  )
  return combine({ ssM, ssX, ctX, pkX: createPublicKey(x25519) })
}

// SHA3-256(ssM ‖ ssX ‖ ctX ‖ pkX ‖ label), section 5.3. ML-KEM's ciphertext is bound by ML-KEM itself.
function combine(parts: { ssM: Uint8Array; ssX: Uint8Array; ctX: Uint8Array; pkX: KeyObject }): Uint8Array {
  return createHash('sha3-256')
    .update(parts.ssM)
    .update(parts.ssX)
    .update(parts.ctX)
    .update(parts.pkX.export({ format: 'raw-public' }))
    .update(xWingLabel)
    .digest()
}

function mlKemEncapsulate(key: KeyObject): Promise<Encapsulated> {
  return new Promise((resolve, reject) => {
    encapsulate(key, (error, result) => {
      if (error === null) resolve({ sharedSecret: result.sharedKey, enc: result.ciphertext })
      else reject(error)
    })
  })
}

function mlKemDecapsulate(key: KeyObject, ciphertext: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    decapsulate(key, ciphertext, (error, sharedKey) => {
      if (error === null) resolve(sharedKey)
      else reject(error)
    })
  })
}

function agree(privateKey: KeyObject, publicKey: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    diffieHellman({ privateKey, publicKey }, (error, secret) => {
      if (error === null) resolve(secret)
      else reject(error)
    })
  })
}
