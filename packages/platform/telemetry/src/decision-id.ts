import type { Random } from '@quantum-ip/base'
import { TelemetryError } from './telemetry-errors.ts'

// Crockford's base 32 in lower case: sorts like the number, and has no i, l, o, u to misread.
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const timeChars = 10
const randomChars = 16
const pointForm = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/
const idCharsMax = 63 + 1 + timeChars + randomChars
const idForm = /^(.+)-([0-7][0-9a-hjkmnp-tv-z]{25})$/

/** What a decision ID says by itself. */
export interface DecisionIdParts {
  /** The enforcement point that decided, where the record is found. */
  readonly point: string
  /** When; milliseconds since 1970. */
  readonly timeMs: number
}

/**
 * Checks that `text` can name an enforcement point: 1 to 63 of `a-z`, `0-9`, `-` and `.`, with a letter or
 * digit at both ends.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_POINT_MALFORMED`.
 */
export function parsePoint(text: string): string {
  if (!pointForm.test(text))
    throw new TelemetryError('QIP_TELEMETRY_POINT_MALFORMED', { characters: text.length })
  return text
}

/**
 * A new decision ID: `<enforcement point>-<26 characters>`.
 *
 * The 26 characters are base 32 in lower case (0-9, a-z without i, l, o, u): 10 for the time in milliseconds,
 * 16 for 80 random bits. So the IDs of one point sort by time, say where the record is, and cannot be
 * guessed.
 *
 * @example
 * formatDecisionId('edge-1', 1_800_000_000_000, systemRandom) // => 'edge-1-01mcc5rm00…'
 */
export function formatDecisionId(point: string, timeMs: number, random: Random): string {
  let time = ''
  for (let rest = timeMs, at = 0; at < timeChars; at++, rest = Math.floor(rest / 32)) {
    time = (alphabet[rest % 32] as string) + time
  }
  // 16 characters of 5 bits out of one byte each: the top three bits of a byte are left out.
  let tail = ''
  for (const byte of random.bytes(randomChars)) tail += alphabet[byte & 31] as string
  return `${point}-${time}${tail}`
}

/**
 * Reads enforcement point and time out of a decision ID.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_DECISION_ID_MALFORMED`.
 */
export function parseDecisionId(text: string): DecisionIdParts {
  const [, point = '', tail = ''] = text.length > idCharsMax ? [] : (idForm.exec(text) ?? [])
  if (!pointForm.test(point)) {
    throw new TelemetryError('QIP_TELEMETRY_DECISION_ID_MALFORMED', { characters: text.length })
  }
  let timeMs = 0
  for (const character of tail.slice(0, timeChars)) timeMs = timeMs * 32 + alphabet.indexOf(character)
  return { point, timeMs }
}
