import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LogError } from './log-errors.ts'
import {
  coverBatch,
  coverSubtrees,
  isValidSubtree,
  smallestSubtree,
  splitPoint,
  type Subtree,
} from './subtree.ts'

// The draft's own procedures in big integers, where shifts and masks reach as far as they like.

function bitLength(n: bigint): bigint {
  return n === 0n ? 0n : BigInt(n.toString(2).length)
}

function draftIsValid(start: bigint, end: bigint): boolean {
  const size = end - start
  const ceil = size <= 1n ? 1n : 1n << bitLength(size - 1n)
  return start <= end && start % ceil === 0n
}

function subtree(from: bigint, to: bigint): Subtree {
  return { start: Number(from), end: Number(to) }
}

function draftCover(start: bigint, end: bigint): Subtree[] {
  if (end - start <= 1n) return [subtree(start, end), subtree(end, end)]
  const last = end - 1n
  const mask = (1n << (bitLength(start ^ last) - 1n)) - 1n
  const middle = last & ~mask
  const left = start & ~((1n << bitLength(~start & mask)) - 1n)
  return [subtree(left, middle), subtree(middle, end)]
}

const index = fc.oneof(fc.nat(300), fc.nat(2 ** 33), fc.integer({ min: 0, max: 2 ** 48 }))
const interval = fc
  .tuple(index, fc.oneof(fc.nat(5_000), fc.nat(2 ** 40)))
  .map(([start, size]) => ({ start, end: start + size }))

test('a subtree is valid exactly where the draft says so, below and beyond 2^32', () => {
  for (let end = 0; end < 70; end++) {
    for (let start = 0; start < 70; start++) {
      assert.equal(
        isValidSubtree({ start, end }),
        draftIsValid(BigInt(start), BigInt(end)),
        `[${start}, ${end})`,
      )
    }
  }
  fc.assert(
    fc.property(fc.nat(48), fc.nat(2 ** 20), fc.nat(2 ** 20), (shift, at, size) => {
      const start = (at * 2 ** shift) % 2 ** 48
      assert.equal(
        isValidSubtree({ start, end: start + size }),
        draftIsValid(BigInt(start), BigInt(start + size)),
      )
    }),
  )
})

const invalid: readonly Subtree[] = [
  { start: -1, end: 1 },
  { start: 0.5, end: 1 },
  { start: 0, end: Number.NaN },
  { start: 0, end: 2 ** 53 },
  { start: 2, end: 1 },
  { start: 1, end: 3 },
  // Valid if 2^32 wrapped round to 0.
  { start: 2 ** 32 + 1, end: 2 ** 32 + 3 },
]

for (const subtree of invalid) {
  test(`[${subtree.start}, ${subtree.end}) is no valid subtree`, () => {
    assert.equal(isValidSubtree(subtree), false)
  })
}

test('covers an interval by the two subtrees of the draft', () => {
  fc.assert(
    fc.property(interval, ({ start, end }) => {
      const cover = coverSubtrees(start, end)
      assert.deepEqual([...cover], draftCover(BigInt(start), BigInt(end)))
      const [left, right] = cover
      assert.ok(isValidSubtree(left) && isValidSubtree(right))
      assert.equal(left.end, right.start)
      assert.equal(right.end, end)
      assert.ok(left.start <= start && (start === end || start - left.start < left.end - start))
    }),
    { numRuns: 2_000 },
  )
})

test('the smallest single subtree is valid, contains the interval, and no other is smaller', () => {
  for (let end = 0; end <= 70; end++) {
    for (let start = 0; start <= end; start++) {
      const found = smallestSubtree(start, end)
      assert.ok(isValidSubtree(found) && found.start <= start && found.end >= end)
      for (let from = found.start + 1; from <= start; from++) {
        for (let to = end; to - from < found.end - found.start; to++) {
          assert.equal(
            isValidSubtree({ start: from, end: to }),
            false,
            `[${from}, ${to}) holds [${start}, ${end})`,
          )
        }
      }
    }
  }
})

test('a batch is covered by one subtree of at most 1,024 leaves where there is one, else by two', () => {
  fc.assert(
    fc.property(index, fc.integer({ min: 1, max: 1_024 }), (start, size) => {
      const end = start + size
      const cover = coverBatch(start, end)
      const single = smallestSubtree(start, end)
      if (single.end - single.start <= 1_024) assert.deepEqual(cover, [single])
      else
        assert.deepEqual(
          cover,
          coverSubtrees(start, end).filter((subtree) => subtree.start < subtree.end),
        )
      for (const subtree of cover) assert.ok(isValidSubtree(subtree) && subtree.start < subtree.end)
      assert.ok((cover[0]?.start ?? end) <= start)
      assert.equal(cover.at(-1)?.end, end)
    }),
    { numRuns: 1_000 },
  )
})

test('an empty batch needs no subtree, a batch across a large boundary two', () => {
  assert.deepEqual(coverBatch(7, 7), [])
  assert.deepEqual(coverBatch(1_000, 1_030), [
    { start: 992, end: 1_024 },
    { start: 1_024, end: 1_030 },
  ])
  assert.deepEqual(coverBatch(2 ** 32 - 1, 2 ** 32 + 1), [
    { start: 2 ** 32 - 1, end: 2 ** 32 },
    { start: 2 ** 32, end: 2 ** 32 + 1 },
  ])
})

test('the split point is the largest power of two strictly below the size', () => {
  assert.deepEqual([2, 3, 4, 5, 8, 9, 2 ** 40, 2 ** 40 + 1].map(splitPoint), [
    1,
    2,
    2,
    4,
    4,
    8,
    2 ** 39,
    2 ** 40,
  ])
})

const badIntervals: readonly (readonly [number, number])[] = [
  [2, 1],
  [-1, 1],
  [0, 1.5],
  [0, 2 ** 53],
]

for (const [start, end] of badIntervals) {
  test(`refuses to cover [${start}, ${end})`, () => {
    const code = { code: 'QIP_LOG_OUT_OF_RANGE' }
    assert.throws(() => coverSubtrees(start, end), code)
    assert.throws(() => smallestSubtree(start, end), code)
    assert.throws(() => coverBatch(start, end), LogError)
  })
}
