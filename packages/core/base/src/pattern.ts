import { BaseError } from './base-errors.ts'
import { matchParts } from './lib/match-parts.ts'

/** A compiled pattern over service IDs or URIs. */
export interface Pattern {
  readonly text: string
  /** Whether the whole of `value` is of this form. */
  matches(value: string): boolean
}

const patternCharsMax = 1_024

/**
 * Compiles a pattern: `*` stands for any characters but `/`, `**` for any characters, all else for itself.
 *
 * Matching takes at most pattern times value steps, each a byte looked at: it never builds a backtracking
 * regular expression, so that no rule that somebody writes can stall an enforcement point. A pattern with one
 * star, which is what rules mostly are, is matched without allocating.
 *
 * @throws {BaseError} `QIP_BASE_PATTERN_MALFORMED` for an empty pattern, one over 1,024 characters or `***`.
 *
 * @example
 * parsePattern('spiffe://acme.example/ns/prod/sa/*').matches('spiffe://acme.example/ns/prod/sa/shop') // => true
 */
export function parsePattern(text: string): Pattern {
  if (text.length === 0) throw new BaseError('QIP_BASE_PATTERN_MALFORMED', { reason: 'it is empty' })
  if (text.length > patternCharsMax) {
    throw new BaseError('QIP_BASE_PATTERN_MALFORMED', { reason: `longer than ${patternCharsMax} characters` })
  }
  if (text.includes('***')) throw new BaseError('QIP_BASE_PATTERN_MALFORMED', { reason: 'it has `***`' })
  if (!text.includes('*')) return { text, matches: (value) => value === text }
  return { text, matches: matcher(text.split(/(\*\*|\*)/)) }
}

// Literals stand at the even places, possibly empty, and stars at the odd ones.
function matcher(parts: readonly string[]): (value: string) => boolean {
  const prefix = parts[0] as string
  const suffix = parts.at(-1) as string
  const middle = parts.slice(1, -1)
  return (value) => {
    const end = value.length - suffix.length
    if (end < prefix.length || !value.startsWith(prefix) || !value.endsWith(suffix)) return false
    if (middle.length > 1) return matchParts(middle, value.slice(prefix.length, end))
    if (middle[0] === '**') return true
    const slash = value.indexOf('/', prefix.length)
    return slash < 0 || slash >= end
  }
}
