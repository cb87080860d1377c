import { LogError } from './log-errors.ts'
import { type Subtree, splitPoint, verifySubtree } from './subtree.ts'

/**
 * The subtrees whose hashes are the inclusion proof of the leaf at `index` in the subtree `[start, end)`, the leaf's sibling first
 * (`PATH(m, D_n)` of {@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.1 RFC 9162, section 2.1.3.1}).
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_OUT_OF_RANGE` if `index` is not in the subtree.
 */
export function inclusionRanges(index: number, subtree: Subtree): readonly Subtree[] {
  let { start, end } = verifySubtree(subtree)
  if (!Number.isSafeInteger(index) || index < start || index >= end) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'index', value: index, end })
  }
  const ranges: Subtree[] = []
  while (end - start > 1) {
    const middle = start + splitPoint(end - start)
    if (index < middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  return ranges.reverse()
}

/**
 * The subtrees whose hashes are the consistency proof of `subtree` in the tree of `size` leaves: `SUBTREE_PROOF` of Merkle Tree
 * Certificates, *Generating a Subtree Consistency Proof*; for `start` = 0 it is `PROOF(m, D_n)` of
 * {@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.4.1 RFC 9162, section 2.1.4.1}.
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_OUT_OF_RANGE` if the subtree ends behind `size`.
 */
export function consistencyRanges(subtree: Subtree, size: number): readonly Subtree[] {
  verifySubtree(subtree)
  if (!Number.isSafeInteger(size) || subtree.end > size) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'size', value: size, end: subtree.end })
  }
  if (subtree.start === subtree.end) return []
  const ranges: Subtree[] = []
  // What is left of the subtree, and the node [low, high) of the tree that holds it.
  let { start } = subtree
  const { end } = subtree
  let [low, high] = [0, size]
  let known = true // The verifier knows the subtree's hash; not so once the subtree has been cut.
  while (start !== low || end !== high) {
    const middle = low + splitPoint(high - low)
    if (end <= middle) {
      ranges.push({ start: middle, end: high })
      high = middle
      continue
    }
    ranges.push({ start: low, end: middle })
    if (start < middle) {
      // The subtree straddles the middle, hence it begins where the node does.
      start = middle
      known = false
    }
    low = middle
  }
  if (!known) ranges.push({ start, end })
  return ranges.reverse()
}
