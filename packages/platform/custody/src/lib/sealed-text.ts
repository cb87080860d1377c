import { createCipheriv, createDecipheriv } from 'node:crypto'
import {
  base64url,
  concatBytes,
  isQipError,
  type Json,
  type JsonObject,
  parseBase64url,
  parseJson,
  type Random,
  utf8,
} from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { CustodyError } from '../custody-errors.ts'

// One line of JSON, its members in this order:
//
//   { "format": …, …head, "nonce": base64url(12), "sealed": base64url(AES-256-GCM ciphertext ‖ tag), "sum": base64url(32) }
//
// The additional data are the JSON of `format` and the head. `sum` is SHA-256 over the line without it: it is there to tell a
// damaged file from a wrong passphrase and proves nothing to anybody; the tag does. Any other spelling of the same JSON is refused,
// so that there is no byte that may change.

/** What is sealed, and what stands beside it in the clear. */
export interface TextToSeal {
  readonly format: string
  readonly head: JsonObject
  /** 32 bytes. */
  readonly key: Uint8Array
  readonly secret: Uint8Array
  readonly random: Random
}

/** A sealed text that is undamaged. */
export interface SealedText {
  readonly head: JsonObject
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
  readonly additionalData: Uint8Array
}

const tagBytes = 16

/** Seals a secret into one line of text. */
export function sealText({ format, head, key, secret, random }: TextToSeal): string {
  const nonce = random.bytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(utf8(JSON.stringify({ format, ...head })))
  const sealed = concatBytes(cipher.update(secret), cipher.final(), cipher.getAuthTag())
  return withSum({ format, ...head, nonce: base64url(nonce), sealed: base64url(sealed) })
}

/** Reads a sealed text without opening it. @throws {CustodyError} `QIP_CUSTODY_FILE_DAMAGED` */
export function parseSealedText(
  text: string,
  { file, format }: { file: string; format: string },
): SealedText {
  const damaged = (reason: string, cause?: unknown): CustodyError =>
    new CustodyError('QIP_CUSTODY_FILE_DAMAGED', { file, reason }, { cause })
  const members = parseMembers(text, damaged)
  const { format: stated, nonce, sealed, sum: _, ...head } = members
  if (stated !== format) throw damaged(`it is no \`${format}\``)
  if (typeof nonce !== 'string' || typeof sealed !== 'string') throw damaged('it lacks what was sealed')
  if (withSum({ format, ...head, nonce, sealed }) !== text) throw damaged('its checksum does not hold')
  const parsed = {
    head,
    nonce: parseBase64url(nonce),
    sealed: parseBase64url(sealed),
    additionalData: utf8(JSON.stringify({ format, ...head })),
  }
  if (parsed.nonce.length !== 12 || parsed.sealed.length < tagBytes) throw damaged('it is cut short')
  return parsed
}

/** Opens a sealed text; `undefined` if `key` is not the one that it was sealed with. */
export function openSealedText(text: SealedText, key: Uint8Array): Uint8Array | undefined {
  const { nonce, sealed, additionalData } = text
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
  decipher.setAAD(additionalData)
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  try {
    return concatBytes(decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final())
  } catch {
    return undefined
  }
}

function parseMembers(text: string, damaged: (reason: string, cause?: unknown) => CustodyError): JsonObject {
  let json: Json
  try {
    json = parseJson(text)
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw damaged('it is no JSON')
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw damaged('it is no JSON object')
  return json
}

function withSum(members: JsonObject): string {
  return `${JSON.stringify({ ...members, sum: base64url(sha256(utf8(JSON.stringify(members)))) })}\n`
}
