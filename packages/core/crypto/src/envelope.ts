import {
  base64,
  concatBytes,
  isQipError,
  type Json,
  limits,
  parseBase64,
  parseJson,
  parseUtf8,
  utf8,
} from '@quantum-ip/base'
import { CryptoError } from './crypto-errors.ts'

/** One signature of an {@link Envelope}. */
export interface EnvelopeSignature {
  /** A hint which key made it; not signed, hence nothing to trust. */
  readonly keyid?: string
  readonly sig: Uint8Array
}

/** A DSSE 1.0.2 envelope, decoded. Nothing in it is verified. */
export interface Envelope {
  readonly payload: Uint8Array
  readonly payloadType: string
  readonly signatures: readonly EnvelopeSignature[]
}

/** Limits of an envelope, beside `limits.envelopeBytesMax` for the whole. */
export const envelopeLimits = {
  signaturesMax: 16,
  payloadTypeCharsMax: 255,
  keyidCharsMax: 1_024,
  signatureBytesMax: 17_088,
} as const

/**
 * `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`, the bytes that are signed, where LEN is the byte length in
 * decimal ({@link https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md DSSE 1.0.2, protocol}).
 */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType)
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload)
}

/**
 * Parses a DSSE envelope: strict JSON without duplicate names, 1 to 16 signatures, at most 1 MiB. Base64 may be standard
 * or URL-safe, as the specification asks of readers; unknown members are ignored.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ENVELOPE_MALFORMED` otherwise.
 */
export function parseEnvelope(input: string | Uint8Array): Envelope {
  const { payload, payloadType, signatures } = members(parseStrict(input), 'the envelope')
  if (
    typeof payloadType !== 'string' ||
    payloadType === '' ||
    payloadType.length > envelopeLimits.payloadTypeCharsMax
  ) {
    throw malformed('`payloadType` is not a string of 1 to 255 characters')
  }
  if (
    !Array.isArray(signatures) ||
    signatures.length === 0 ||
    signatures.length > envelopeLimits.signaturesMax
  ) {
    throw malformed('`signatures` is not a list of 1 to 16')
  }
  return {
    payload: parseBytes(payload, 'payload'),
    payloadType,
    signatures: signatures.map((signature) => parseSignature(signature)),
  }
}

/**
 * The JSON text of an envelope: members in the specification's order, standard base64, no white space.
 */
export function formatEnvelope({ payload, payloadType, signatures }: Envelope): string {
  return JSON.stringify({
    payload: base64(payload),
    payloadType,
    signatures: signatures.map(({ keyid, sig }) =>
      keyid === undefined ? { sig: base64(sig) } : { keyid, sig: base64(sig) },
    ),
  })
}

function parseStrict(input: string | Uint8Array): Json {
  if (input.length > limits.envelopeBytesMax) throw malformed(`longer than ${limits.envelopeBytesMax} bytes`)
  try {
    return parseJson(typeof input === 'string' ? input : parseUtf8(input))
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new CryptoError('QIP_CRYPTO_ENVELOPE_MALFORMED', { reason: cause.message }, { cause })
  }
}

function parseSignature(value: Json): EnvelopeSignature {
  const { keyid, sig } = members(value, 'a signature')
  const bytes = parseBytes(sig, 'sig')
  if (bytes.length > envelopeLimits.signatureBytesMax)
    throw malformed('a signature is longer than any algorithm makes')
  // The specification lets writers leave `keyid` out; several write null or an empty string instead.
  if (keyid === undefined || keyid === null || keyid === '') return { sig: bytes }
  if (typeof keyid !== 'string' || keyid.length > envelopeLimits.keyidCharsMax) {
    throw malformed('`keyid` is not a string of at most 1,024 characters')
  }
  return { keyid, sig: bytes }
}

function members(value: Json, what: string): Readonly<Record<string, Json | undefined>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`${what} is not an object`)
  return value
}

function parseBytes(value: Json | undefined, name: string): Uint8Array {
  if (typeof value !== 'string') throw malformed(`\`${name}\` is not a string`)
  try {
    return parseBase64(standardBase64(value))
  } catch (error) {
    if (!isQipError(error)) throw error
    throw malformed(`\`${name}\` is not base64`)
  }
}

// URL-safe text, with or without padding, in the standard alphabet. A text of both alphabets stays wrong.
function standardBase64(text: string): string {
  if (!/[-_]/.test(text)) return padded(text)
  if (/[+/]/.test(text)) return text
  return padded(text.replaceAll('-', '+').replaceAll('_', '/'))
}

function padded(text: string): string {
  return text.endsWith('=') ? text : text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}

function malformed(reason: string): CryptoError {
  return new CryptoError('QIP_CRYPTO_ENVELOPE_MALFORMED', { reason })
}
