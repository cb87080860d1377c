import { base64, concatBytes, hex, isQipError, parseBase64, u32be, utf8 } from '@quantum-ip/base'
import { CryptoError } from './crypto-errors.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'
import { sha256 } from './sha256.ts'

/**
 * The signature types of C2SP notes that are known here.
 *
 * - `ed25519` 0x01: over the text (c2sp.org/signed-note)
 * - `ed25519Cosignature` 0x04, `mlDsa44` 0x06: timestamped, over a tree or subtree (c2sp.org/tlog-cosignature)
 * - `subtreeEd25519` 0xff, then our own identifier: Ed25519 over the very bytes that 0x06 signs
 */
export const noteKeyTypes = {
  ed25519: 0x01,
  ed25519Cosignature: 0x04,
  mlDsa44: 0x06,
  subtreeEd25519: 0xff,
} as const

/** One of {@link noteKeyTypes}. */
export type NoteKeyType = (typeof noteKeyTypes)[keyof typeof noteKeyTypes]

const subtreeEd25519Identifier = utf8('quantum-ip.dev/subtree-ed25519/v1')

const typeRows: Readonly<Record<NoteKeyType, { alg: 'Ed25519' | 'ML-DSA-44'; prefix: Uint8Array }>> = {
  0x01: { alg: 'Ed25519', prefix: Uint8Array.of(0x01) },
  0x04: { alg: 'Ed25519', prefix: Uint8Array.of(0x04) },
  0x06: { alg: 'ML-DSA-44', prefix: Uint8Array.of(0x06) },
  0xff: { alg: 'Ed25519', prefix: concatBytes(Uint8Array.of(0xff), subtreeEd25519Identifier) },
}

/** A verifier key of c2sp.org/signed-note: who signs, how, and with which key. */
export interface NoteVerifierKey {
  /** Not empty; without white space and `+`. */
  readonly name: string
  /** The key ID of name, type and key, as a u32. It is a hint: keys may collide. */
  readonly keyId: number
  readonly type: NoteKeyType
  readonly key: PublicKey
}

/** What identifies a note's signer. */
export interface NoteKeyInput {
  readonly name: string
  readonly type: NoteKeyType
  /** The raw public key. */
  readonly bytes: Uint8Array
}

/**
 * The first four bytes, as a u32, of SHA-256(name ‖ 0A ‖ type ‖ public key) (c2sp.org/signed-note, "Signatures"; a MUST of
 * c2sp.org/tlog-cosignature). For type ff the identifier stands between type and key.
 *
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` for a name that a note cannot carry.
 */
export function noteKeyId({ name, type, bytes }: NoteKeyInput): number {
  checkNoteName(name)
  const digest = sha256(concatBytes(utf8(name), Uint8Array.of(0x0a), typeRows[type].prefix, bytes))
  return new DataView(digest.buffer).getUint32(0)
}

/**
 * The verifier key of `key` under `name`, with its key ID.
 *
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` for a name that a note cannot carry, or a key of another algorithm
 *   than the type's.
 */
export function noteVerifierKey(input: { name: string; type: NoteKeyType; key: PublicKey }): NoteVerifierKey {
  const { name, type, key } = input
  if (key.alg !== typeRows[type].alg)
    throw malformed(`type ${hexByte(type)} is for ${typeRows[type].alg} keys`)
  return { name, keyId: noteKeyId({ name, type, bytes: key.bytes }), type, key }
}

/**
 * `name+hex(key ID)+base64(type ‖ public key)`, the text form of a verifier key.
 *
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` as {@link noteVerifierKey} does.
 */
export function formatVkey(input: { name: string; type: NoteKeyType; key: PublicKey }): string {
  const { name, keyId, type, key } = noteVerifierKey(input)
  return `${name}+${hex(u32be(keyId))}+${base64(concatBytes(typeRows[type].prefix, key.bytes))}`
}

/**
 * Parses the text form of a verifier key and checks its key ID.
 *
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` for another form, an unknown type, a wrong length or a key ID that
 *   is not the key's.
 */
export function parseVkey(text: string): NoteVerifierKey {
  if (text.length > vkeyCharsMax) throw malformed(`longer than ${vkeyCharsMax} characters`)
  // Base64 may hold `+`, the name and the key ID may not: the first two separate.
  const parts = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(text)
  if (parts === null) throw malformed('it is not `name+hash+key`')
  const [, name, statedId, material] = parts as unknown as [string, string, string, string]
  const { type, bytes } = parseMaterial(material)
  const found = noteVerifierKey({ name, type, key: parsePublicKey(typeRows[type].alg, bytes) })
  if (hex(u32be(found.keyId)) !== statedId) throw malformed('the key ID is not that of name and key')
  return found
}

const vkeyCharsMax = 4_096

function parseMaterial(text: string): { type: NoteKeyType; bytes: Uint8Array } {
  const material = decode(text)
  for (const type of Object.values(noteKeyTypes)) {
    const { prefix, alg } = typeRows[type]
    if (!startsWith(material, prefix)) continue
    const bytes = material.subarray(prefix.length)
    if (bytes.length !== (alg === 'Ed25519' ? 32 : 1312)) throw malformed(`not the length of an ${alg} key`)
    return { type, bytes }
  }
  throw malformed('the signature type is not known here')
}

function decode(text: string): Uint8Array {
  try {
    return parseBase64(text)
  } catch (error) {
    if (!isQipError(error)) throw error
    throw malformed('the key is not canonical base64')
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte)
}

/**
 * Checks that `name` can sign a note: 1 to 255 bytes of UTF-8 without white space, control characters and `+`
 * (c2sp.org/signed-note; the length is that of a `subtree/v1` message).
 *
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` otherwise.
 */
export function checkNoteName(name: string): void {
  if (name === '' || /[\s+\p{Cc}\p{Z}]/u.test(name) || !name.isWellFormed()) {
    throw malformed('a name is not empty and has no white space and no `+`')
  }
  if (utf8(name).length > 255) throw malformed('a name has at most 255 bytes')
}

function hexByte(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`
}

function malformed(reason: string): CryptoError {
  return new CryptoError('QIP_CRYPTO_VKEY_MALFORMED', { reason })
}
