import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { naiveLeaf, naiveRoot, numberedEntries } from '../../test/naive-tree.ts'
import { TreeEdge } from './tree-edge.ts'

const leaves = numberedEntries(700).map(naiveLeaf)

function edgeOf(size: number): TreeEdge {
  const edge = new TreeEdge()
  for (const leaf of leaves.slice(0, size)) edge.append(leaf, 0)
  return edge
}

test('has the root of the definition at every size', () => {
  const edge = new TreeEdge()
  for (let size = 0; size <= 600; size++) {
    if (size % 13 === 0 || size % 256 < 2) assert.deepEqual(edge.root(), naiveRoot(leaves.slice(0, size)))
    edge.append(leaves[size] as Uint8Array, 0)
  }
})

test('what was added since the mark is forgotten without a trace', () => {
  fc.assert(
    fc.property(fc.nat(520), fc.nat(300), fc.nat(300), (size, tried, kept) => {
      const edge = edgeOf(size)
      edge.mark()
      for (let i = 0; i < tried; i++) edge.append(leaves[699 - i] as Uint8Array, 0)
      edge.restore()
      assert.equal(edge.size, size)
      assert.deepEqual(edge.root(), naiveRoot(leaves.slice(0, size)))
      edge.mark()
      const end = Math.min(size + kept, 700)
      for (const leaf of leaves.slice(size, end)) edge.append(leaf, 0)
      edge.keep()
      edge.restore()
      assert.deepEqual(edge.root(), naiveRoot(leaves.slice(0, end)))
    }),
    { numRuns: 40 },
  )
})

test('while something is tried, the tiles of the mark are still found', () => {
  const edge = edgeOf(255)
  const tile = edge.tile(0, 0)
  edge.mark()
  for (const leaf of leaves.slice(255, 300)) edge.append(leaf, 0)
  assert.equal(edge.tile(0, 0), tile)
  assert.notEqual(edge.tile(0, 1), undefined)
  assert.deepEqual(
    edge.changed().map(({ level, index, width }) => [level, index, width]),
    [
      [0, 0, 256],
      [1, 0, 1],
      [0, 1, 44],
    ],
  )
  edge.restore()
  assert.equal(edge.tile(0, 1), undefined)
})

test('goes on from its tiles at any size, beyond 2^32 too', async () => {
  // All leaves are equal, so one hash stands for every full subtree of a height.
  const full = [leaves[0] as Uint8Array]
  for (let height = 1; height <= 48; height++) {
    const below = full[height - 1] as Uint8Array
    full.push(naiveRoot([below, below]))
  }
  const rootOf = (size: number): Uint8Array => {
    let root: Uint8Array | undefined
    for (let height = 0, rest = size; rest > 0; height++, rest = Math.floor(rest / 2)) {
      const node = full[height] as Uint8Array
      if (rest % 2 === 1) root = root === undefined ? node : naiveRoot([node, root])
    }
    return root ?? naiveRoot([])
  }
  for (const size of [0, 1, 255, 256, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 257, 2 ** 48 - 3]) {
    const edge = await TreeEdge.load(size, async (level, _, width) =>
      Uint8Array.from(Array.from({ length: width }, () => [...(full[8 * level] as Uint8Array)]).flat()),
    )
    assert.deepEqual(edge.root(), rootOf(size), String(size))
    for (let more = 1; more <= 3; more++) {
      edge.append(full[0] as Uint8Array, 0)
      assert.deepEqual(edge.root(), rootOf(size + more), `${size} + ${more}`)
    }
  }
})
