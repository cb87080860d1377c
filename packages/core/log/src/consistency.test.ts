import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { naiveLeaf, naiveRoot, naiveSubtreeProof, numberedEntries } from '../test/naive-tree.ts'
import { verifyConsistency, verifySubtreeConsistency } from './consistency.ts'
import { LogError } from './log-errors.ts'
import { packProof } from './proof.ts'
import { consistencyRanges } from './prove.ts'
import { isValidSubtree, type Subtree } from './subtree.ts'

const sizeMax = 70
const leaves = numberedEntries(sizeMax).map(naiveLeaf)
const rangeOf = ({ start, end }: Subtree) => naiveRoot(leaves.slice(start, end))

/** A tree of up to 70 leaves and a valid subtree of it. */
const position = fc.tuple(fc.integer({ min: 1, max: sizeMax }), fc.nat(), fc.nat()).map(([size, a, b]) => {
  const subtrees: Subtree[] = []
  for (let end = 0; end <= size; end++) {
    for (let start = 0; start <= end; start++) {
      if (isValidSubtree({ start, end })) subtrees.push({ start, end })
    }
  }
  const subtree = subtrees[(a * 31 + b) % subtrees.length] as Subtree
  return { size, start: subtree.start, end: subtree.end }
})

function proofOf({ start, end, size }: Subtree & { size: number }) {
  return {
    start,
    end,
    size,
    hash: rangeOf({ start, end }),
    root: rangeOf({ start: 0, end: size }),
    proof: naiveSubtreeProof({ start, end }, leaves.slice(0, size)),
  }
}

test('accepts the proof of the definition, and generates the same', () => {
  fc.assert(
    fc.property(position, (at) => {
      const input = proofOf(at)
      assert.deepEqual(verifySubtreeConsistency(input), input.root)
      assert.deepEqual(verifySubtreeConsistency({ ...input, proof: packProof(input.proof) }), input.root)
      assert.deepEqual(consistencyRanges(at, at.size).map(rangeOf), input.proof)
    }),
    { numRuns: 500 },
  )
})

test('refuses a truncated, extended or altered proof, and other hashes', () => {
  fc.assert(
    fc.property(position, fc.nat(), (at, pick) => {
      const input = proofOf(at)
      const { proof, hash, root } = input
      const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === pick % 32 ? byte ^ 1 : byte))
      const refused = (change: Partial<typeof input>) =>
        assert.throws(() => verifySubtreeConsistency({ ...input, ...change }), LogError)
      refused({ proof: [...proof, root] })
      refused({ proof: [root, ...proof] })
      refused({ hash: flip(hash) })
      if (at.start === at.end) return
      refused({ root: flip(root) })
      if (proof.length === 0) return
      refused({ proof: proof.slice(1) })
      refused({ proof: proof.slice(0, -1) })
      refused({ proof: proof.map((step, i) => (i === pick % proof.length ? flip(step) : step)) })
      refused({ proof: proof.map((step, i) => (i === pick % proof.length ? step.subarray(1) : step)) })
    }),
    { numRuns: 300 },
  )
})

test('refuses a subtree under another place or size', () => {
  for (const at of fc.sample(position, { numRuns: 60, seed: 2 })) {
    if (at.start === at.end) continue
    const input = proofOf(at)
    for (let shift = 1; at.end + shift <= at.size; shift++) {
      const moved = { start: at.start + shift, end: at.end + shift }
      assert.throws(() => verifySubtreeConsistency({ ...input, ...moved }), LogError)
    }
  }
})

test('a tree extends an older one', () => {
  for (const [size1, size2] of [
    [1, 1],
    [1, 2],
    [3, 7],
    [8, 70],
    [69, 70],
  ] as const) {
    const proof = naiveSubtreeProof({ start: 0, end: size1 }, leaves.slice(0, size2))
    const root1 = rangeOf({ start: 0, end: size1 })
    const root2 = rangeOf({ start: 0, end: size2 })
    assert.deepEqual(verifyConsistency({ size1, size2, root1, root2, proof }), root2)
    const forked = rangeOf({ start: 1, end: size1 + 1 })
    assert.throws(() => verifyConsistency({ size1, size2, root1: forked, root2, proof }), {
      code: 'QIP_LOG_PROOF_MISMATCH',
    })
  }
})

for (const [size1, size2] of [
  [0, 0],
  [0, 5],
  [5, 4],
  [-1, 4],
  [1.5, 4],
  [1, 2 ** 53],
] as const) {
  test(`refuses consistency from ${size1} to ${size2}`, () => {
    const root = rangeOf({ start: 0, end: 1 })
    assert.throws(() => verifyConsistency({ size1, size2, root1: root, root2: root, proof: [] }), {
      code: 'QIP_LOG_OUT_OF_RANGE',
    })
  })
}

test('refuses a subtree that is invalid or ends behind the tree', () => {
  const root = rangeOf({ start: 0, end: 1 })
  const refused = (at: Subtree & { size: number }, code: string) =>
    assert.throws(() => verifySubtreeConsistency({ ...at, hash: root, root, proof: [] }), { code })
  refused({ start: 1, end: 3, size: 4 }, 'QIP_LOG_SUBTREE_INVALID')
  refused({ start: 4, end: 6, size: 5 }, 'QIP_LOG_OUT_OF_RANGE')
  assert.throws(() => consistencyRanges({ start: 4, end: 6 }, 5), { code: 'QIP_LOG_OUT_OF_RANGE' })
})

/** Evaluates a proof's ranges over a tree whose full subtrees of equal size have equal hashes: a tree of 2^48 leaves in 48 hashes. */
function uniform(leaf: Uint8Array): (range: Subtree) => Uint8Array {
  const known = new Map<number, Uint8Array>([[1, leaf]])
  const ofSize = (size: number): Uint8Array => {
    const found = known.get(size)
    if (found !== undefined) return found
    let left = 1
    while (left * 2 < size) left *= 2
    const hash = naiveRoot([ofSize(left), ofSize(size - left)])
    known.set(size, hash)
    return hash
  }
  return ({ start, end }) => ofSize(end - start)
}

test('proves and verifies subtrees of trees beyond 2^32 leaves', () => {
  const hashOf = uniform(leaves[0] as Uint8Array)
  const size = fc.integer({ min: 2 ** 31, max: 2 ** 48 })
  fc.assert(
    fc.property(size, fc.nat(40), fc.nat(2 ** 20), fc.boolean(), (size, bits, at, full) => {
      const width = 2 ** bits
      const start = (at * width) % (size - (size % width) || 1)
      const end = Math.min(size, start + (full ? width : Math.ceil((width * 5) / 8)))
      fc.pre(isValidSubtree({ start, end }) && start < end)
      const proof = consistencyRanges({ start, end }, size).map(hashOf)
      const input = {
        start,
        end,
        size,
        hash: hashOf({ start, end }),
        root: hashOf({ start: 0, end: size }),
        proof,
      }
      assert.deepEqual(verifySubtreeConsistency(input), input.root)
      assert.throws(
        () => verifySubtreeConsistency({ ...input, root: hashOf({ start: 0, end: size - 1 }) }),
        LogError,
      )
    }),
    { numRuns: 300 },
  )
})
