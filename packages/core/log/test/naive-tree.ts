import { createHash } from 'node:crypto'
import type { Subtree } from '../src/subtree.ts'

// A second implementation to test against: recursive, straight from the definitions, with another hash call. Slow on purpose.

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

export function naiveLeaf(entry: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(0), entry)
}

function split(size: number): number {
  let k = 1
  while (k * 2 < size) k *= 2
  return k
}

/** MTH of RFC 9162, section 2.1.1, over leaf hashes. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return leaves[0] as Uint8Array
  const k = split(leaves.length)
  return sha256(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

/** PATH of RFC 9162, section 2.1.3.1. */
export function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return []
  const k = split(leaves.length)
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

/** SUBTREE_PROOF of Merkle Tree Certificates. */
export function naiveSubtreeProof(
  subtree: Subtree,
  leaves: readonly Uint8Array[],
  known = true,
): Uint8Array[] {
  const { start, end } = subtree
  if (start === end) return []
  if (start === 0 && end === leaves.length) return known ? [] : [naiveRoot(leaves)]
  const k = split(leaves.length)
  if (end <= k) {
    return [...naiveSubtreeProof(subtree, leaves.slice(0, k), known), naiveRoot(leaves.slice(k))]
  }
  if (k <= start) {
    const right = naiveSubtreeProof({ start: start - k, end: end - k }, leaves.slice(k), known)
    return [...right, naiveRoot(leaves.slice(0, k))]
  }
  const right = naiveSubtreeProof({ start: 0, end: end - k }, leaves.slice(k), false)
  return [...right, naiveRoot(leaves.slice(0, k))]
}

/** Entries `0, 1, 2 …` of one to three bytes, and their leaf hashes. */
export function numberedEntries(count: number, first = 0): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, nth) =>
    Buffer.from((first + nth).toString(16).padStart(6, '0'), 'hex'),
  )
}
