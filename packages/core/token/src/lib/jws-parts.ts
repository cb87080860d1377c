import { Buffer } from 'node:buffer'
import { BaseError, type Json, type JsonObject, parseJson } from '@quantum-ip/base'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The octets of canonical base64url, or `undefined`: without the error that most callers would only drop. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) return undefined
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The JSON object that `bytes` are the UTF-8 of, read strictly, or `undefined`. */
export function decodeJsonObject(bytes: Uint8Array | undefined): JsonObject | undefined {
  if (bytes === undefined) return undefined
  try {
    const json = parseJson(strictUtf8.decode(bytes))
    return isJsonObject(json) ? json : undefined
  } catch (error) {
    if (error instanceof BaseError || error instanceof TypeError) return undefined
    throw error
  }
}

function isJsonObject(json: Json): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
