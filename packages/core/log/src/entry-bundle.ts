import { limits } from '@quantum-ip/base'
import { LogError } from './log-errors.ts'

/**
 * Packs entries as c2sp.org/tlog-tiles serves them: for each, `u16be length ‖ bytes`.
 *
 * @throws {LogError} `QIP_LOG_ENTRY_TOO_LONG` if an entry has more than 65,535 bytes.
 */
export function formatEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const entry of entries) {
    if (entry.length > limits.logEntryBytesMax) {
      throw new LogError('QIP_LOG_ENTRY_TOO_LONG', { length: entry.length, max: limits.logEntryBytesMax })
    }
    size += 2 + entry.length
  }
  const bundle = new Uint8Array(size)
  let offset = 0
  for (const entry of entries) {
    bundle[offset] = Math.floor(entry.length / 256)
    bundle[offset + 1] = entry.length % 256
    bundle.set(entry, offset + 2)
    offset += 2 + entry.length
  }
  return bundle
}

/**
 * Parses an entry bundle. The entries are views of `bundle`.
 *
 * @throws {LogError} `QIP_LOG_BUNDLE_MALFORMED` if it ends inside an entry, or does not hold `count` entries where that is given.
 */
export function parseEntryBundle(bundle: Uint8Array, count?: number): readonly Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let offset = 0; offset < bundle.length;) {
    const end = entryEnd(bundle, offset)
    entries.push(bundle.subarray(offset + 2, end))
    offset = end
  }
  if (count !== undefined && entries.length !== count) {
    throw malformed(bundle.length, `${entries.length} entries instead of ${count}`)
  }
  return entries
}

/**
 * The part of a bundle that holds its entries `[from, to)`, as a view: what a storage that keeps one row per batch answers with.
 *
 * @throws {LogError} `QIP_LOG_BUNDLE_MALFORMED` if the bundle has fewer than `to` entries.
 */
export function sliceEntryBundle(bundle: Uint8Array, from: number, to: number): Uint8Array {
  let offset = 0
  let start = 0
  for (let at = 0; at < to; at++) {
    if (at === from) start = offset
    offset = entryEnd(bundle, offset)
  }
  return from >= to ? bundle.subarray(0, 0) : bundle.subarray(start, offset)
}

function entryEnd(bundle: Uint8Array, offset: number): number {
  const [high, low] = [bundle[offset], bundle[offset + 1]]
  if (high === undefined || low === undefined) throw malformed(offset, 'ends inside a length')
  const end = offset + 2 + high * 256 + low
  if (end > bundle.length) throw malformed(offset, 'ends inside an entry')
  return end
}

function malformed(offset: number, reason: string): LogError {
  return new LogError('QIP_LOG_BUNDLE_MALFORMED', { offset, reason })
}
