import { Buffer } from 'node:buffer'
import { refusals } from './lib/refusals.ts'
import { TokenError } from './token-errors.ts'
import { TokenRefusal } from './token-refusal.ts'

/** A token for paths that carry only a few dozen characters: the verifier resolves it at the authority. */
export interface ReferenceToken {
  readonly form: 'reference'
  /** C2SP key ID of the issuing cosigner: which authority, and which of its logs, to ask. */
  readonly keyId: number
  /** 16 random bytes. **A bearer secret, like `jti`: in no log, span or error.** */
  readonly handle: Uint8Array
}

const prefix = 'qipr1.'
const handleBytes = 16
const bodyChars = 27

/**
 * The text of a reference token, 33 characters: `qipr1.` and base64url of `keyID[4] ‖ handle[16]`.
 *
 * @throws {TypeError} for a key ID that is no u32, or a handle that has not 16 bytes.
 */
export function formatReferenceToken({ keyId, handle }: Omit<ReferenceToken, 'form'>): string {
  if (handle.length !== handleBytes) throw new TypeError('a handle has 16 bytes')
  const bytes = Buffer.alloc(4 + handleBytes)
  bytes.writeUInt32BE(keyId)
  bytes.set(handle, 4)
  return prefix + bytes.toString('base64url')
}

/** Reads a reference token: the token, or why it is none. Never throws. Its grammar knows no truncation. */
export function readReferenceToken(text: string): ReferenceToken | TokenRefusal {
  if (!text.startsWith(prefix)) return refusals.prefix
  if (text.length !== prefix.length + bodyChars) return refusals.size
  const body = text.slice(prefix.length)
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.toString('base64url') !== body) return refusals.alphabet
  return { form: 'reference', keyId: bytes.readUInt32BE(0), handle: Uint8Array.from(bytes.subarray(4)) }
}

/**
 * Parses the text of a reference token.
 *
 * @throws {TokenError} `QIP_TOKEN_MALFORMED` for anything but what {@link formatReferenceToken} writes.
 */
export function parseReferenceToken(text: string): ReferenceToken {
  const token = readReferenceToken(text)
  if (token instanceof TokenRefusal)
    throw new TokenError('QIP_TOKEN_MALFORMED', { form: 'reference', reason: token.reason })
  return token
}
