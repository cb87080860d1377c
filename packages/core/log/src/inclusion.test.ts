import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { seeded } from '@quantum-ip/testing'
import * as fc from 'fast-check'
import { naiveLeaf, naivePath, naiveRoot, numberedEntries } from '../test/naive-tree.ts'
import { evaluateSubtreeInclusion, verifyInclusion, verifySubtreeInclusion } from './inclusion.ts'
import { LogError } from './log-errors.ts'
import { packProof } from './proof.ts'
import { inclusionRanges } from './prove.ts'
import { isValidSubtree, type Subtree } from './subtree.ts'

const leaves = numberedEntries(140).map(naiveLeaf)

/** A valid subtree of the 140 leaves that is not empty, and an index in it. */
const position = fc.tuple(fc.nat(139), fc.integer({ min: 1, max: 140 }), fc.nat()).map(([at, size, nth]) => {
  const width = 2 ** Math.ceil(Math.log2(size))
  const start = at - (at % width)
  const end = Math.min(start + size, 140)
  return { start, end, index: start + (nth % (end - start)) }
})

function proofOf({ start, end, index }: Subtree & { index: number }) {
  const part = leaves.slice(start, end)
  return {
    leafHash: leaves[index] as Uint8Array,
    proof: naivePath(index - start, part),
    hash: naiveRoot(part),
  }
}

test('accepts exactly the proof that the definition gives, as a list and packed', () => {
  fc.assert(
    fc.property(position, (at) => {
      const { hash, ...parts } = proofOf(at)
      assert.ok(isValidSubtree(at))
      assert.deepEqual(evaluateSubtreeInclusion({ ...at, ...parts }), hash)
      const { bytes, count } = packProof(parts.proof)
      const shifted = new Uint8Array([9, 9, 9, ...bytes, 9])
      const proof = { bytes: shifted, offset: 3, count }
      assert.deepEqual(verifySubtreeInclusion({ ...at, ...parts, proof, hash }), hash)
    }),
    { numRuns: 500 },
  )
})

test('names the ranges of a proof in the order of the definition', () => {
  fc.assert(
    fc.property(position, (at) => {
      const ranges = inclusionRanges(at.index, at)
      assert.deepEqual(
        ranges.map(({ start, end }) => naiveRoot(leaves.slice(start, end))),
        proofOf(at).proof,
      )
    }),
  )
})

test('refuses a truncated, extended or altered proof, another leaf and another hash', () => {
  fc.assert(
    fc.property(position, fc.nat(), (at, pick) => {
      const { leafHash, proof, hash } = proofOf(at)
      const other = leaves[(at.index + 1) % 140] as Uint8Array
      const input = { ...at, leafHash, proof, hash }
      const malformed = { code: 'QIP_LOG_PROOF_MALFORMED' }
      assert.throws(() => verifySubtreeInclusion({ ...input, proof: [...proof, other] }), malformed)
      const mismatch = { code: 'QIP_LOG_PROOF_MISMATCH' }
      assert.throws(() => verifySubtreeInclusion({ ...input, leafHash: other }), mismatch)
      assert.throws(() => verifySubtreeInclusion({ ...input, hash: other.map((byte) => byte ^ 1) }), mismatch)
      if (proof.length === 0) return
      assert.throws(() => verifySubtreeInclusion({ ...input, proof: proof.slice(1) }), malformed)
      assert.throws(() => verifySubtreeInclusion({ ...input, proof: proof.slice(0, -1) }), malformed)
      const nth = pick % proof.length
      const altered = proof.map((step, i) =>
        i === nth ? step.map((byte, j) => (j === pick % 32 ? byte ^ 1 : byte)) : step,
      )
      assert.throws(() => verifySubtreeInclusion({ ...input, proof: altered }), mismatch)
      const short = proof.map((step, i) => (i === nth ? step.subarray(1) : step))
      assert.throws(() => verifySubtreeInclusion({ ...input, proof: short }), malformed)
    }),
    { numRuns: 300 },
  )
})

test('refuses the proof under another index of the same subtree, or another end', () => {
  for (const at of fc.sample(position, { numRuns: 100, seed: 1 })) {
    const { leafHash, proof, hash } = proofOf(at)
    for (let index = at.start; index < at.end; index++) {
      if (index === at.index) continue
      assert.throws(() => verifySubtreeInclusion({ ...at, index, leafHash, proof, hash }), LogError)
    }
    // Another end can ask for the very same steps: then only the tuple of the trusted hash tells them apart.
    for (let end = at.index + 1; end < at.end + 20; end++) {
      const steps = (to: number) =>
        inclusionRanges(at.index, { ...at, end: to }).map(({ start }) => start < at.index)
      if (!isValidSubtree({ ...at, end }) || steps(end).join() === steps(at.end).join()) continue
      assert.throws(() => verifySubtreeInclusion({ ...at, end, leafHash, proof, hash }), LogError)
    }
  }
})

test('evaluates to the same hash at a shifted position: a trusted hash without its tuple proves no index', () => {
  const at = { start: 8, end: 13, index: 10 }
  const { leafHash, proof, hash } = proofOf(at)
  const shifted = { start: 64, end: 69, index: 66 }
  assert.deepEqual(evaluateSubtreeInclusion({ ...shifted, leafHash, proof }), hash)
})

const out: readonly (Subtree & { index: number; code: string })[] = [
  { start: 8, end: 13, index: 7, code: 'QIP_LOG_OUT_OF_RANGE' },
  { start: 8, end: 13, index: 13, code: 'QIP_LOG_OUT_OF_RANGE' },
  { start: 8, end: 13, index: 8.5, code: 'QIP_LOG_OUT_OF_RANGE' },
  { start: 8, end: 13, index: Number.NaN, code: 'QIP_LOG_OUT_OF_RANGE' },
  { start: 8, end: 8, index: 8, code: 'QIP_LOG_OUT_OF_RANGE' },
  { start: 6, end: 11, index: 8, code: 'QIP_LOG_SUBTREE_INVALID' },
  { start: 0, end: 2 ** 53, index: 0, code: 'QIP_LOG_SUBTREE_INVALID' },
]

for (const { code, ...at } of out) {
  test(`refuses index ${at.index} of [${at.start}, ${at.end})`, () => {
    const leafHash = leaves[0] as Uint8Array
    assert.throws(() => evaluateSubtreeInclusion({ ...at, leafHash, proof: [] }), { code })
    assert.throws(() => inclusionRanges(at.index, at), { code })
  })
}

test('refuses a packed proof that ends behind its array', () => {
  const { leafHash } = proofOf({ start: 0, end: 2, index: 0 })
  const proof = { bytes: new Uint8Array(40), offset: 10, count: 1 }
  assert.throws(() => evaluateSubtreeInclusion({ start: 0, end: 2, index: 0, leafHash, proof }), {
    code: 'QIP_LOG_PROOF_MALFORMED',
  })
})

test('refuses a proof of 65 hashes', () => {
  const leafHash = leaves[0] as Uint8Array
  const proof = Array.from({ length: 65 }, () => leafHash)
  assert.throws(() => verifyInclusion({ index: 0, size: 2 ** 48, leafHash, proof, root: leafHash }), {
    code: 'QIP_LOG_PROOF_MALFORMED',
  })
})

function node(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(Uint8Array.of(1)).update(a).update(b).digest())
}

/** The draft's procedure in big integers, where nothing wraps. `undefined` where it fails. */
function draftEvaluate(index: bigint, size: bigint, leafHash: Uint8Array, proof: readonly Uint8Array[]) {
  let [fn, sn, r] = [index, size - 1n, leafHash]
  for (const p of proof) {
    if (sn === 0n) return undefined
    if ((fn & 1n) === 1n || fn === sn) {
      r = node(p, r)
      while ((fn & 1n) === 0n) [fn, sn] = [fn >> 1n, sn >> 1n]
    } else {
      r = node(r, p)
    }
    ;[fn, sn] = [fn >> 1n, sn >> 1n]
  }
  return sn === 0n ? r : undefined
}

test('evaluates as the draft does for sizes up to 2^48', () => {
  const random = seeded('beyond 2^32')
  const large = fc.oneof(
    fc.integer({ min: 1, max: 2 ** 48 }),
    fc.nat(47).map((bits) => 2 ** bits + 1),
    fc.nat(40).map((bits) => 2 ** 32 * 2 ** Math.min(bits, 16)),
  )
  fc.assert(
    fc.property(large, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (size, fraction) => {
      const index = Math.min(size - 1, Math.floor(size * fraction))
      const leafHash = random.bytes(32)
      const proof = inclusionRanges(index, { start: 0, end: size }).map(() => random.bytes(32))
      const found = evaluateSubtreeInclusion({ index, start: 0, end: size, leafHash, proof })
      assert.deepEqual(found, draftEvaluate(BigInt(index), BigInt(size), leafHash, proof))
    }),
    { numRuns: 300 },
  )
})
