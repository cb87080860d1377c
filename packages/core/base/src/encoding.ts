import { Buffer } from 'node:buffer'
import { BaseError } from './base-errors.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The UTF-8 bytes of `text`. A surrogate without its other half becomes U+FFFD: check `isWellFormed()` where that matters. */
export function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/**
 * The text of well-formed UTF-8 bytes.
 *
 * @throws {BaseError} `QIP_BASE_ENCODING_MALFORMED` if the bytes are not well-formed UTF-8.
 */
export function parseUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw new BaseError('QIP_BASE_ENCODING_MALFORMED', { encoding: 'utf-8' }, { cause })
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Base64url without padding (RFC 4648, section 5). */
export function base64url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url')
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function base64(bytes: Uint8Array): string {
  return view(bytes).toString('base64')
}

/** Lowercase hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return view(bytes).toString('hex')
}

// Node's decoder skips foreign characters and trailing bits. One spelling for one value: encode again and compare.
function parseStrict(text: string, encoding: 'base64' | 'base64url' | 'hex'): Uint8Array {
  const bytes = Buffer.from(text, encoding)
  if (bytes.toString(encoding) !== text) throw new BaseError('QIP_BASE_ENCODING_MALFORMED', { encoding })
  return bytes
}

/**
 * Parses canonical, unpadded base64url.
 *
 * @throws {BaseError} `QIP_BASE_ENCODING_MALFORMED` for padding, foreign characters or trailing bits.
 */
export function parseBase64url(text: string): Uint8Array {
  return parseStrict(text, 'base64url')
}

/**
 * Parses canonical, padded base64.
 *
 * @throws {BaseError} `QIP_BASE_ENCODING_MALFORMED` for anything but the one canonical spelling.
 */
export function parseBase64(text: string): Uint8Array {
  return parseStrict(text, 'base64')
}

/**
 * Parses lowercase hexadecimal.
 *
 * @throws {BaseError} `QIP_BASE_ENCODING_MALFORMED` for an odd length, uppercase or foreign characters.
 */
export function parseHex(text: string): Uint8Array {
  return parseStrict(text, 'hex')
}
