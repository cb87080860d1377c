import type { JsonObject } from '@quantum-ip/base'

/** A text or number of an answer, fit for a terminal whoever wrote it; `?` where there is none. */
export function wordOf(json: JsonObject | undefined, name: string): string {
  const value = json?.[name]
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' ? value.replaceAll(/[^\u0020-\u007E]/g, '?').slice(0, 256) : '?'
}
