import type { Reader } from './reader.ts'

const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** The optional RFC 3339 timestamp `name`, in milliseconds since 1970. */
export function parseTimestamp(reader: Reader, name: string): number | undefined {
  const text = reader.optionalText(name, 64)
  if (text === undefined) return undefined
  const ms = form.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw reader.malformed(name, 'is not a timestamp of RFC 3339')
  return ms
}
