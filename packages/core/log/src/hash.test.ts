import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { naiveLeaf, naiveRoot } from '../test/naive-tree.ts'
import { emptyRoot, leafHash, leafHashInto, nodeHash, rangeHash } from './hash.ts'

test('the empty tree has the hash of the empty string', () => {
  assert.equal(hex(emptyRoot()), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  assert.deepEqual(rangeHash([]), emptyRoot())
})

test('leaves and nodes hash as RFC 9162 defines, whatever was hashed before', () => {
  // Known answers of Certificate Transparency's reference tests.
  assert.equal(
    hex(leafHash(new Uint8Array())),
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), (entry) => {
      assert.deepEqual(leafHash(entry), naiveLeaf(entry))
    }),
  )
  for (const size of [38, 0, 1_024, 1_023, 1_025, 38]) {
    const entry = new Uint8Array(size).fill(size)
    assert.deepEqual(leafHash(entry), naiveLeaf(entry))
  }
})

test('writes a leaf hash to its place and nowhere else', () => {
  const target = new Uint8Array(34).fill(7)
  leafHashInto(Uint8Array.of(1), target, 1)
  assert.deepEqual(target, Uint8Array.of(7, ...naiveLeaf(Uint8Array.of(1)), 7))
})

test('a range hashes to the tree over it', () => {
  const leaves = Array.from({ length: 40 }, (_, i) => leafHash(Uint8Array.of(i)))
  for (let size = 1; size <= 40; size++)
    assert.deepEqual(rangeHash(leaves.slice(0, size)), naiveRoot(leaves.slice(0, size)))
})

test('only hashes of 32 bytes have a parent', () => {
  assert.throws(() => nodeHash(new Uint8Array(31), emptyRoot()), TypeError)
  assert.throws(() => nodeHash(emptyRoot(), new Uint8Array(33)), TypeError)
})
