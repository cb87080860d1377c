import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concatBytes, utf8 } from '@quantum-ip/base'
import { CryptoError } from './crypto-errors.ts'
import { type HpkeSecrets, hpkeSchedule } from './lib/hpke.ts'
import { decapsulateSecret, encapsulatedBytes, encapsulateSecret } from './lib/kem.ts'
import type { KemAlgorithm, KemKey, KemPrivateKey } from './kem-key.ts'

/** Limits of sealed fields: they hold names and numbers, not files. */
export const sealedFieldLimits = { plaintextBytesMax: 65_536 } as const

/** What {@link sealField} seals. */
export interface FieldToSeal {
  /** Whom it is for. */
  readonly key: KemKey
  readonly plaintext: Uint8Array
  /** What it belongs to (record, field name): it opens with the same bytes only. */
  readonly aad: Uint8Array
}

/** What {@link openField} opens. */
export interface FieldToOpen {
  readonly key: KemPrivateKey
  readonly sealed: Uint8Array
  readonly aad: Uint8Array
}

const info = utf8('quantum-ip.dev/sealed-field/v1')
const kemIds: Readonly<Record<KemAlgorithm, number>> = { 'X-Wing': 0x647a, 'ML-KEM-768': 0x0041 }
const shake256Id = 0x0011
const aes256GcmId = 0x0002
const tagBytes = 16

/**
 * Seals a field for one receiver: HPKE's single-shot `Seal` in base mode (draft-ietf-hpke-hpke-05, section 6.1) with the
 * key's KEM, SHAKE256 and AES-256-GCM; `info` is `quantum-ip.dev/sealed-field/v1`.
 *
 * The result is enc ‖ ciphertext ‖ tag: 1,136 bytes more than the plaintext with X-Wing, 1,104 with ML-KEM-768. Anybody can
 * seal: it proves nothing about who did.
 *
 * @throws {CryptoError} `QIP_CRYPTO_FIELD_MALFORMED` if the plaintext is over 64 KiB.
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED` if the X25519 part of an X-Wing key is of low order.
 */
export async function sealField({ key, plaintext, aad }: FieldToSeal): Promise<Uint8Array> {
  if (plaintext.length > sealedFieldLimits.plaintextBytesMax) throw tooLong()
  const { sharedSecret, enc } = await encapsulateSecret(key)
  const secrets = scheduleFor(key.alg, sharedSecret)
  const cipher = createCipheriv('aes-256-gcm', secrets.key, secrets.nonce, { authTagLength: tagBytes })
  cipher.setAAD(aad)
  const ciphertext = [cipher.update(plaintext), cipher.final()]
  return concatBytes(enc, ...ciphertext, cipher.getAuthTag())
}

/**
 * Opens a field that was sealed for `key` with the same `aad`, and returns its plaintext.
 *
 * @throws {CryptoError} `QIP_CRYPTO_FIELD_MALFORMED` for bytes too short or too long for a sealed field.
 * @throws {CryptoError} `QIP_CRYPTO_FIELD_REFUSED` for another key, other `aad` or changed bytes; which of them is not told.
 */
export async function openField({ key, sealed, aad }: FieldToOpen): Promise<Uint8Array> {
  const { alg, kid } = key.publicKey
  const overhead = encapsulatedBytes[alg] + tagBytes
  if (sealed.length < overhead) throw malformed(`it has fewer than ${overhead} bytes`)
  if (sealed.length > overhead + sealedFieldLimits.plaintextBytesMax) throw tooLong()
  try {
    const sharedSecret = await decapsulateSecret(key, sealed.subarray(0, encapsulatedBytes[alg]))
    const secrets = scheduleFor(alg, sharedSecret)
    return decrypt({ secrets, ciphertext: sealed.subarray(encapsulatedBytes[alg]), aad })
  } catch {
    // Without its cause: a low-order X25519 share and a wrong tag must not be told apart.
    throw new CryptoError('QIP_CRYPTO_FIELD_REFUSED', { kid })
  }
}

function scheduleFor(alg: KemAlgorithm, sharedSecret: Uint8Array): HpkeSecrets {
  return hpkeSchedule({ suite: { kem: kemIds[alg], kdf: shake256Id, aead: aes256GcmId }, sharedSecret, info })
}

function decrypt(input: { secrets: HpkeSecrets; ciphertext: Uint8Array; aad: Uint8Array }): Uint8Array {
  const { secrets, ciphertext, aad } = input
  const cut = ciphertext.length - tagBytes
  const decipher = createDecipheriv('aes-256-gcm', secrets.key, secrets.nonce, { authTagLength: tagBytes })
  decipher.setAAD(aad)
  decipher.setAuthTag(ciphertext.subarray(cut))
  return concatBytes(decipher.update(ciphertext.subarray(0, cut)), decipher.final())
}

function tooLong(): CryptoError {
  return malformed(`a field has at most ${sealedFieldLimits.plaintextBytesMax} bytes`)
}

function malformed(reason: string): CryptoError {
  return new CryptoError('QIP_CRYPTO_FIELD_MALFORMED', { reason })
}
