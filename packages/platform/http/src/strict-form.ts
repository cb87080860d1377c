import { isUtf8 } from 'node:buffer'
import { HttpError } from './http-errors.ts'

/** Fields of one form or query. */
export const formFieldsMax = 100

/**
 * Parses `application/x-www-form-urlencoded`, as OAuth's endpoints take it (RFC 6749, appendix B).
 *
 * A name that occurs more than once becomes an array, so that a schema that says "string" refuses it
 * (RFC 6749, section 3.2: parameters must not be included more than once).
 *
 * @throws {HttpError} `QIP_HTTP_BODY_MALFORMED` for a malformed escape, bytes that are not UTF-8 or over 100 fields.
 */
export function parseFormBody(bytes: Uint8Array): Record<string, string | string[]> {
  if (!isUtf8(bytes)) throw new HttpError('QIP_HTTP_BODY_MALFORMED', { reason: 'it is not UTF-8' })
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return parseForm(text)
}

/** The same for a query string, without its question mark. */
export function parseForm(text: string): Record<string, string | string[]> {
  const fields = Object.create(null) as Record<string, string | string[]>
  if (text === '') return fields
  const pairs = text.split('&')
  if (pairs.length > formFieldsMax) {
    throw new HttpError('QIP_HTTP_BODY_MALFORMED', { reason: `it has more than ${formFieldsMax} fields` })
  }
  for (const pair of pairs) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1))
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (typeof before === 'string') fields[name] = [before, value]
    else before.push(value)
  }
  return fields
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw new HttpError('QIP_HTTP_BODY_MALFORMED', { reason: 'a percent escape is malformed' }, { cause })
  }
}
