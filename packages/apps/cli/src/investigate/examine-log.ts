import {
  base64,
  equalBytes,
  hex,
  isQipError,
  type JsonObject,
  parseBase64,
  parseJson,
} from '@quantum-ip/base'
import { parseAttestationEntry } from '@quantum-ip/attestation'
import { leafHash, parseEntryBundle, rangeHash } from '@quantum-ip/log'
import type { TrustStore } from '@quantum-ip/trust'
import { isObject } from '../lib/json.ts'
import { numberAt, textAt } from './facts.ts'

/** An attestation log that was read whole: what it does not have, it does not have. */
export interface WholeLog {
  readonly part: string
  readonly origin: string
  readonly size: number
  /** The builds of its entries, by index; lowercase hexadecimal. */
  readonly builds: ReadonlyMap<number, string>
}

/** Logs up to this size are read whole: 106 bytes for each entry. */
export const wholeLogMax = 20_000

/** The text of a part of kind `log`: every entry of an attestation log, up to the size that the signed state lists. */
export function formatWholeLog(log: {
  readonly origin: string
  readonly size: number
  /** Entry bundles of c2sp.org/tlog-tiles, one behind the other. */
  readonly entries: Uint8Array
}): string {
  const { origin, size, entries } = log
  const json: JsonObject = { origin, size, entries: base64(entries) }
  return JSON.stringify(json)
}

/** Checks that these are all entries of the tree that the signed state lists; `undefined` if not. */
export function examineWholeLog(part: string, text: string, store: TrustStore): WholeLog | undefined {
  const json = parseJson(text)
  if (!isObject(json)) return undefined
  const [origin = '', size = -1] = [textAt(json, 'origin'), numberAt(json, 'size')]
  const head = store.logHead(origin)
  if (head === undefined || head.size !== size || size > wholeLogMax) return undefined
  try {
    const entries = parseEntryBundle(parseBase64(textAt(json, 'entries') ?? ''), size)
    if (!equalBytes(rangeHash(entries.map((entry) => leafHash(entry))), head.hash)) return undefined
    const builds = new Map<number, string>()
    for (const [index, entry] of entries.entries()) {
      // The first one is the null entry.
      if (entry.length > 2) builds.set(index, hex(parseAttestationEntry(entry).build))
    }
    return { part, origin, size, builds }
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}
