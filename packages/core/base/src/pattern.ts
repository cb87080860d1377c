import { BaseError } from './base-errors.ts'

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
 * Matching is linear in pattern times value: it never builds a backtracking regular expression, so
 * that no rule that somebody writes can stall an enforcement point.
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
  const parts = text.split(/(\*\*|\*)/).filter((part) => part !== '')
  return { text, matches: (value) => matchParts(parts, value) }
}

// The set of offsets that the parts so far can reach, advanced part by part: no backtracking.
function matchParts(parts: readonly string[], value: string): boolean {
  let reached = new Set([0])
  for (const part of parts) {
    const next = new Set<number>()
    if (part === '*' || part === '**') {
      for (const from of reached) spread(next, { value, from, stopAtSlash: part === '*' })
    } else {
      for (const from of reached) if (value.startsWith(part, from)) next.add(from + part.length)
    }
    if (next.size === 0) return false
    reached = next
  }
  return reached.has(value.length)
}

function spread(into: Set<number>, from: { value: string; from: number; stopAtSlash: boolean }): void {
  for (let at = from.from; at <= from.value.length; at++) {
    // Whatever lies beyond was added when an earlier start spread over it.
    if (into.has(at)) return
    into.add(at)
    if (from.stopAtSlash && from.value[at] === '/') return
  }
}
