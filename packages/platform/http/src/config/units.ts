const durationUnits: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizeUnits: Record<string, number> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
}

/** The form of a duration: `20ms`, `300s`, `5m`, `24h`, `7d`, and `0s`. */
export const durationPattern = '^(?:0|[1-9][0-9]{0,8})(?:ms|s|m|h|d)$'
/** The form of a size: `512KB`, `64MiB`. */
export const sizePattern = '^(?:0|[1-9][0-9]{0,8})(?:B|KB|MB|GB|KiB|MiB|GiB)$'
/** The form of a share: `5%`, `0.1%`. */
export const sharePattern = '^(?:0|[1-9][0-9]{0,2})(?:\\.[0-9]{1,4})?%$'
/** The form of an address to listen on. */
export const listenPattern = '^(?:\\[[0-9a-fA-F:.]{2,45}\\]|[A-Za-z0-9.-]{1,253}):(?:0|[1-9][0-9]{0,4})$'

/**
 * A duration in milliseconds.
 *
 * @example
 * durationMs('300s') // => 300000
 */
export function durationMs(text: string): number {
  return amount(text, durationUnits)
}

/** A size in bytes. */
export function sizeBytes(text: string): number {
  return amount(text, sizeUnits)
}

/** A percentage as a number in 0..1. */
export function shareOf(text: string): number {
  return Number((Number(text.slice(0, -1)) / 100).toPrecision(12))
}

/** A host, without the brackets of an IPv6 address, and a port. */
export function listenOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replaceAll(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}

/** Whether only this machine can reach a host to listen on. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

function amount(text: string, units: Record<string, number>): number {
  const [, digits, unit = ''] = /^(\d+)([A-Za-z]+)$/.exec(text) ?? []
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (digits === undefined || factor === undefined) throw new TypeError('not an amount with a unit')
  return Number(digits) * factor
}
