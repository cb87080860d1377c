import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { hex, utf8 } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { sha256, sha256Into, sha256Latin1 } from './sha256.ts'

test('hashes the examples of FIPS 180-4', () => {
  const examples = [
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
  ] as const
  for (const [text, expected] of examples) assert.equal(hex(sha256(utf8(text))), expected)
})

test('agrees with the streaming engine in all three forms', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), (bytes, offset) => {
      const expected = createHash('sha256').update(bytes).digest()
      const target = new Uint8Array(offset + 40)
      sha256Into(bytes, target, offset)
      assert.deepEqual(Buffer.from(sha256(bytes)), expected)
      assert.equal(sha256Latin1(bytes), expected.toString('latin1'))
      assert.deepEqual(Buffer.from(target.subarray(offset, offset + 32)), expected)
      assert.ok(target.subarray(offset + 32).every((byte) => byte === 0))
    }),
  )
})

test('writes a hash into the very bytes that were hashed', () => {
  const node = new Uint8Array(65).fill(1)
  const expected = createHash('sha256').update(node).digest()
  sha256Into(node, node, 33)
  assert.deepEqual(Buffer.from(node.subarray(33)), expected)
})

test('returns a hash of its own each time', () => {
  const first = sha256(utf8('a'))
  sha256(utf8('b'))
  assert.deepEqual(first, sha256(utf8('a')))
})

test('refuses to write beyond the end', () => {
  assert.throws(() => sha256Into(new Uint8Array(1), new Uint8Array(40), 9), TypeError)
})
