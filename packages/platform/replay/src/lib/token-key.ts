import { createHash } from 'node:crypto'
import type { OneTimeUse } from '@quantum-ip/verifier'

/**
 * The partitions that tokens are spread over. All verifiers must agree, so it is not an option: it is part of the format, as the
 * keys are. Enough for a cluster of some primaries, few enough to look at each of them often.
 */
export const partitions = 16

/**
 * The partition of a token. In a cluster, a token and the record of its partition's memory share a slot, so that
 * one script sees both.
 */
export function partitionOf({ log, index }: Pick<OneTimeUse, 'log' | 'index'>): number {
  // FNV-1a over the log's name: two logs do not use the same partition at the same index.
  let h = 0x811c9dc5
  for (let i = 0; i < log.length; i++) h = Math.imul(h ^ log.charCodeAt(i), 0x01000193)
  return ((h >>> 0) + index) % partitions
}

/** The key of the record that says since when a partition remembers. */
export function memoryKey(partition: number): string {
  return `{qip:${partition}}memory`
}

/** The key of a used token. */
export function tokenKey(partition: number, { log, index }: OneTimeUse): string {
  return `{qip:${partition}}${log}/${index}`
}

/** 96 bits that stand for the request and its proxy; empty where there is no retry. */
export function retryTag({ log, index, requestId, proxy }: OneTimeUse): string {
  if (requestId === undefined || proxy === undefined) return ''
  const parts = [log, String(index), requestId, proxy]
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:${part}`)
  return hash.digest('base64url').slice(0, 16)
}
