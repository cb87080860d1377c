import { LogError } from './log-errors.ts'

/** The leaves from `start` up to and without `end`. */
export interface Subtree {
  readonly start: number
  readonly end: number
}

/** Leaves under one subtree where {@link coverBatch} takes a single one: 1,024. */
export const singleSubtreeMax = 1_024

/** The smallest power of two that is at least `n`; 1 for 0 (`BIT_CEIL` of Merkle Tree Certificates). `n` ≤ 2^53. */
export function bitCeil(n: number): number {
  let power = 1
  while (power < n) power *= 2
  return power
}

/**
 * The number of leaves left of the root of a tree of `size` ≥ 2 leaves: the largest power of two strictly below `size`
 * ({@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 RFC 9162, section 2.1.1}).
 */
export function splitPoint(size: number): number {
  return bitCeil(size) / 2
}

/**
 * Whether `[start, end)` is a subtree of every tree of at least `end` leaves: `0 ≤ start ≤ end`, and `start` is a multiple of
 * the smallest power of two that is at least `end − start` (Merkle Tree Certificates, *Definition of a Subtree*). Empty
 * intervals are valid. Bounds that are not safe integers never are.
 */
export function isValidSubtree({ start, end }: Subtree): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end) return false
  return start % bitCeil(end - start) === 0
}

/**
 * Returns its argument if it is a valid subtree.
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` if {@link isValidSubtree} does not hold.
 */
export function verifySubtree<S extends Subtree>(subtree: S): S {
  if (!isValidSubtree(subtree)) {
    throw new LogError('QIP_LOG_SUBTREE_INVALID', { start: subtree.start, end: subtree.end })
  }
  return subtree
}

function verifyInterval(start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'interval', value: start, end })
  }
}

/**
 * The two adjacent subtrees that efficiently cover `[start, end)`: always two, the second empty where `end − start` ≤ 1, the first
 * beginning before `start` by less than half of what it has to cover (Merkle Tree Certificates, *Selecting Two Subtrees*).
 *
 * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` if the bounds are not `0 ≤ start ≤ end` in safe integers.
 *
 * @example
 * coverSubtrees(5, 13) // => [{ start: 4, end: 8 }, { start: 8, end: 13 }]
 */
export function coverSubtrees(start: number, end: number): readonly [left: Subtree, right: Subtree] {
  verifyInterval(start, end)
  if (end - start <= 1)
    return [
      { start, end },
      { start: end, end },
    ]
  const middle = divergence(start, end - 1)
  return [
    // The smallest full subtree that ends in the middle and reaches down to `start`.
    { start: middle - bitCeil(middle - start), end: middle },
    { start: middle, end },
  ]
}

/** The first leaf of the right half of the node at which the paths to two different leaves part. */
function divergence(first: number, last: number): number {
  let size = 2
  while (Math.floor(first / size) !== Math.floor(last / size)) size *= 2
  return last - (last % (size / 2))
}

/**
 * The smallest valid subtree that contains `[start, end)` and ends at `end`. `[end, end)` if the interval is empty.
 *
 * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` if the bounds are not `0 ≤ start ≤ end` in safe integers.
 *
 * @example
 * smallestSubtree(5, 7) // => { start: 4, end: 7 }
 */
export function smallestSubtree(start: number, end: number): Subtree {
  verifyInterval(start, end)
  if (start === end) return { start, end }
  const last = end - 1
  let size = 1
  // The interval fits as soon as its first and its last leaf are in one aligned block.
  while (Math.floor(start / size) !== Math.floor(last / size)) size *= 2
  return { start: start - (start % size), end }
}

/**
 * The subtrees to sign for the batch `[start, end)`: the smallest single one if it has at most `singleMax` leaves, else the two of
 * {@link coverSubtrees}. One or two, none of them empty; none for an empty batch. A second signature costs 1 ms, a larger subtree
 * costs 43 characters of token each time it doubles: hence the limit.
 *
 * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` if the bounds are not `0 ≤ start ≤ end` in safe integers.
 */
export function coverBatch(
  start: number,
  end: number,
  singleMax: number = singleSubtreeMax,
): readonly Subtree[] {
  const single = smallestSubtree(start, end)
  if (start === end) return []
  if (end - single.start <= singleMax) return [single]
  return coverSubtrees(start, end).filter((subtree) => subtree.start < subtree.end)
}
