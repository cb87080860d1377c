import { limits } from '@quantum-ip/base'
import { isValidSubtree, type Subtree } from '@quantum-ip/log'
import type { CborReader } from './cbor-reader.ts'
import { refusals } from './refusals.ts'

/**
 * Whether [start, end) is a subtree that a head may cover: valid by Merkle Tree Certificates (*Definition of a Subtree*), not
 * empty, at most 65,536 leaves, indices below 2^48.
 */
export function isCoveringSubtree(subtree: Subtree): boolean {
  const { start, end } = subtree
  return (
    end > start &&
    end - start <= limits.subtreeLeavesMax &&
    end <= limits.logIndexEnd &&
    isValidSubtree(subtree)
  )
}

/** Reads `start : uint, end : uint` of a covering subtree. */
export function readSubtree(reader: CborReader): Subtree {
  const subtree = { start: reader.uint(limits.logIndexEnd - 1), end: reader.uint(limits.logIndexEnd) }
  if (!isCoveringSubtree(subtree)) throw refusals.subtree
  return subtree
}
