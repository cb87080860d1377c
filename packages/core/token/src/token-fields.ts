import { metadataNames } from './field-names.ts'
import { refusals } from './lib/refusals.ts'
import type { JwtReadOptions } from './read-jwt-token.ts'
import { readToken, type Token } from './read-token.ts'
import type { TokenRefusal } from './token-refusal.ts'

/**
 * The values of a field in a list of raw fields, `[name, value, name, value, …]` as Node's `rawHeaders`: one for each
 * time that it was sent. Names match in any case, and only with hyphens.
 *
 * Node joins equal fields to `a, b` in `headers`; here two are two.
 */
export function fieldValues(rawHeaders: readonly string[], name: string): readonly string[] {
  const lower = name.toLowerCase()
  let values: string[] | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i] as string
    // The length first: it settles nearly every field without a new string.
    if (candidate.length !== lower.length || candidate.toLowerCase() !== lower) continue
    const value = rawHeaders[i + 1] as string
    if (values === undefined) values = [value]
    else values.push(value)
  }
  return values ?? none
}

const none: readonly string[] = Object.freeze([])

/**
 * The text of the token that a request carries: `undefined` where it carries none, a refusal where it carries two.
 *
 * Two equal ones are two as well: which one somebody on the way looked at cannot be known.
 */
export function tokenField(rawHeaders: readonly string[]): string | undefined | TokenRefusal {
  const values = fieldValues(rawHeaders, metadataNames.token)
  return values.length > 1 ? refusals.severalFields : values[0]
}

/** {@link tokenField} and `readToken` in one: what a request carries, read. */
export function readTokenField(
  rawHeaders: readonly string[],
  options: JwtReadOptions = {},
): Token | undefined | TokenRefusal {
  const text = tokenField(rawHeaders)
  return typeof text === 'string' ? readToken(text, options) : text
}
