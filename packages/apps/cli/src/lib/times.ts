import { CliError } from '../cli-errors.ts'

/** A moment for people, in UTC: `2026-11-22 10:00:00Z`. */
export function formatTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime())
    ? 'an unknown time'
    : `${date.toISOString().slice(0, 19).replace('T', ' ')}Z`
}

const units: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]

/** A span for people, in its two largest units: `4 min 48 s`. */
export function formatSpan(ms: number): string {
  let rest = Math.max(0, ms)
  const parts: string[] = []
  for (const [size, name] of units) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${name}`)
    else if (parts.length > 0) break
  }
  return parts.length === 0 ? `${Math.round(Math.max(0, ms))} ms` : parts.slice(0, 2).join(' ')
}

/** A moment and how far it is from now: `2026-11-22 10:00:00Z, 12 s ago`. */
export function formatMoment(ms: number, nowMs: number): string {
  const off = ms - nowMs
  return `${formatTime(ms)}, ${off > 0 ? `in ${formatSpan(off)}` : `${formatSpan(-off)} ago`}`
}

/**
 * Reads a moment of the command line: RFC 3339, seconds since 1970, or `now`. Milliseconds.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseMoment(text: string, nowMs: number): number {
  if (text === 'now') return nowMs
  if (/^\d{9,11}$/.test(text)) return Number(text) * 1_000
  const ms = /^\d{4}-\d\d-\d\d(?:[T ]|$)/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 64)}\` is no time`,
    next: 'write `2026-11-22T10:00:00Z`, seconds since 1970, or `now`',
  })
}

const spanUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * Reads a span of the command line: `300s`, `5m`, `1h`, `7d`, `500ms`. Milliseconds.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseSpan(text: string): number {
  const [, number, unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  const size = spanUnits[unit]
  if (number !== undefined && size !== undefined) return Number(number) * size
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 64)}\` is no duration`,
    next: 'write `300s`, `5m`, `1h` or `7d`',
  })
}

/**
 * Reads a beginning of the command line: how long ago (`1h`), or a moment as {@link parseMoment} reads it. Milliseconds.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseSince(text: string, nowMs: number): number {
  return /^\d{1,9}(?:ms|s|m|h|d)$/.test(text) ? nowMs - parseSpan(text) : parseMoment(text, nowMs)
}
