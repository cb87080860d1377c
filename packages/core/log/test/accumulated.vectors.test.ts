import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import { leafHash, rangeHash } from '../src/hash.ts'
import { consistencyRanges, inclusionRanges } from '../src/prove.ts'
import { coverSubtrees, isValidSubtree, type Subtree } from '../src/subtree.ts'

// The accumulated vectors of Merkle Tree Certificates, appendix "Subtree Test Vectors": one line per case, over all trees of up to
// 130 leaves with the one-byte entries 0, 1, 2 …; SHA-256 of all lines.

const sizeMax = 130
const leaves = Array.from({ length: sizeMax }, (_, i) => leafHash(Uint8Array.of(i)))

const known = new Map<string, string>()
function hashOf({ start, end }: Subtree): string {
  const name = `${start},${end}`
  const hash = known.get(name) ?? hex(rangeHash(leaves.slice(start, end)))
  known.set(name, hash)
  return hash
}

function* intervals(upTo: number): Generator<Subtree> {
  for (let end = 0; end <= upTo; end++) for (let start = 0; start <= end; start++) yield { start, end }
}

function* subtrees(upTo: number): Generator<Subtree> {
  for (const interval of intervals(upTo)) if (isValidSubtree(interval)) yield interval
}

const text = ({ start, end }: Subtree) => `[${start}, ${end})`
const line = (...parts: readonly string[]) => `${parts.join(' ')}\n`

const vectors: readonly { name: string; expected: string; accumulate: (hash: Hash) => void }[] = [
  {
    name: 'subtree hashes',
    expected: 'b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81',
    accumulate(hash) {
      for (const subtree of subtrees(sizeMax)) hash.update(line(text(subtree), hashOf(subtree)))
    },
  },
  {
    name: 'subtree inclusion proofs',
    expected: 'ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f',
    accumulate(hash) {
      for (const subtree of subtrees(sizeMax)) {
        for (let index = subtree.start; index < subtree.end; index++) {
          const proof = inclusionRanges(index, subtree).map(hashOf)
          hash.update(line(String(index), text(subtree), ...proof))
        }
      }
    },
  },
  {
    name: 'subtree consistency proofs',
    expected: '10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74',
    accumulate(hash) {
      for (let size = 0; size <= sizeMax; size++) {
        for (const subtree of subtrees(size)) {
          hash.update(line(text(subtree), String(size), ...consistencyRanges(subtree, size).map(hashOf)))
        }
      }
    },
  },
  {
    name: 'covering subtrees',
    expected: '7fd9c8b926e9d2b5cf831560e8ce295a5ef97ad5c5ede4ea0dea28a8c8fc8bb0',
    accumulate(hash) {
      for (const { start, end } of intervals(sizeMax))
        hash.update(line(...coverSubtrees(start, end).map(text)))
    },
  },
]

for (const { name, expected, accumulate } of vectors) {
  test(`all ${name} up to ${sizeMax} leaves accumulate to the published hash`, () => {
    const hash = createHash('sha256')
    accumulate(hash)
    assert.equal(hash.digest('hex'), expected)
  })
}
