import { sha256, sha256Into } from '@quantum-ip/crypto'
import { TokenError } from './token-errors.ts'

/** What a token log says of one token. */
export interface TokenEntry {
  /** The form that was issued. Default when encoding: `merkle`. */
  readonly form?: 'merkle' | 'jwt' | undefined
  /** The expiry of the token, in seconds since 1970. */
  readonly exp: number
  /** SHA-256 of the encoded claims, or of the payload of a JWT. */
  readonly digest: Uint8Array
}

/** Bytes of a {@link tokenEntry}. */
export const tokenEntryBytes = 38

/*
 * entry      = version type exp digest              ; 38 bytes
 * version    = %x01
 * type       = %x01 / %x02                          ; Merkle token / JWT
 * exp        = 4OCTET                               ; u32, most significant byte first
 * digest     = 32OCTET                              ; SHA-256(claims) / SHA-256(payload)
 * null-entry = %x01 %x00                            ; the first entry of every log
 */

/**
 * The entry of a token in its log, 38 bytes: `01 ‖ 01 (Merkle token) or 02 (JWT) ‖ u32be exp ‖ digest`.
 *
 * @throws {TypeError} for an `exp` that is no u32 or a digest that has not 32 bytes.
 */
export function tokenEntry(entry: TokenEntry): Uint8Array {
  const bytes = new Uint8Array(tokenEntryBytes)
  writeEntry(bytes, 0, entry)
  return bytes
}

function writeEntry(into: Uint8Array, at: number, { form, exp, digest }: TokenEntry): void {
  if (digest.length !== 32) throw new TypeError('a digest has 32 bytes')
  writeEntryHead(into, at, { jwt: form === 'jwt', exp })
  into.set(digest, at + 6)
}

function writeEntryHead(into: Uint8Array, at: number, { jwt, exp }: { jwt: boolean; exp: number }): void {
  if (!Number.isInteger(exp) || exp < 0 || exp > 0xffff_ffff) throw new TypeError('exp is not a u32')
  into[at] = 1
  into[at + 1] = jwt ? 2 : 1
  into[at + 2] = exp >>> 24
  into[at + 3] = exp >>> 16
  into[at + 4] = exp >>> 8
  into[at + 5] = exp
}

/** The null entry `01 00`: what every token log begins with, so that index 0 is never a token. */
export function nullEntry(): Uint8Array {
  return Uint8Array.of(1, 0)
}

/**
 * Parses an entry of a token log; the null entry is `undefined`.
 *
 * @throws {TokenError} `QIP_TOKEN_ENTRY_MALFORMED` for another version, type or size.
 */
export function parseTokenEntry(
  bytes: Uint8Array,
): (TokenEntry & { readonly form: 'merkle' | 'jwt' }) | undefined {
  if (bytes[0] !== 1) throw new TokenError('QIP_TOKEN_ENTRY_MALFORMED', { reason: 'it is not of version 1' })
  if (bytes.length === 2 && bytes[1] === 0) return undefined
  if (bytes.length !== tokenEntryBytes) {
    throw new TokenError('QIP_TOKEN_ENTRY_MALFORMED', { reason: `it has not ${tokenEntryBytes} bytes` })
  }
  if (bytes[1] !== 1 && bytes[1] !== 2) {
    throw new TokenError('QIP_TOKEN_ENTRY_MALFORMED', { reason: 'its type is not 01 or 02' })
  }
  const exp = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2)
  return { form: bytes[1] === 1 ? 'merkle' : 'jwt', exp, digest: bytes.slice(6) }
}

/** The digest of a token, its public name: SHA-256 of the encoded claims, or of the payload of a JWT. Never of the token. */
export function tokenDigest(claimsOrPayload: Uint8Array): Uint8Array {
  return sha256(claimsOrPayload)
}

// 00 ‖ entry (RFC 6962, section 2.1). Shared: it is filled and hashed before anybody else can.
const leaf = new Uint8Array(1 + tokenEntryBytes)

/**
 * The Merkle leaf hash of a token's entry: SHA-256(`00` ‖ {@link tokenEntry}), 32 bytes.
 *
 * @throws {TypeError} as {@link tokenEntry} does.
 */
export function tokenLeafHash(entry: TokenEntry): Uint8Array {
  writeEntry(leaf, 1, entry)
  return sha256(leaf)
}

/** The leaf hash of a Merkle token straight from its claims: two hashes, and no array but the result. */
export function claimsLeafHash(claimsBytes: Uint8Array, exp: number): Uint8Array {
  writeEntryHead(leaf, 1, { jwt: false, exp })
  sha256Into(claimsBytes, leaf, 7)
  return sha256(leaf)
}
