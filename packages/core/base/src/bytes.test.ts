import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compareBytes, concatBytes, equalBytes, lengthPrefixed, u32be, u64be } from './bytes.ts'

const someBytes = fc.uint8Array({ maxLength: 24 })
// Few different bytes, so that equal ones and prefixes come up.
const fewBytes = fc.array(fc.constantFrom(0, 1, 255), { maxLength: 4 }).map((list) => Uint8Array.from(list))
const plain = (bytes: Uint8Array): number[] => [...bytes]

test('concatenates into an array of its own', () => {
  const part = Uint8Array.of(1, 2)
  const whole = concatBytes(part, new Uint8Array(0), Buffer.from([3]), Uint8Array.of(9, 4, 9).subarray(1, 2))
  assert.deepEqual(whole, Uint8Array.of(1, 2, 3, 4))
  part[0] = 7
  assert.equal(whole[0], 1)
  assert.equal(whole.buffer.byteLength, 4)
  assert.deepEqual(concatBytes(), new Uint8Array(0))
})

test('concatenates as Buffer does', () => {
  fc.assert(
    fc.property(fc.array(someBytes, { maxLength: 6 }), (parts) => {
      assert.deepEqual(plain(concatBytes(...parts)), plain(Buffer.concat(parts)))
    }),
  )
})

const u32: [number, number[]][] = [
  [0, [0, 0, 0, 0]],
  [1, [0, 0, 0, 1]],
  [0x01020304, [1, 2, 3, 4]],
  [0x80000000, [0x80, 0, 0, 0]],
  [0xffffffff, [255, 255, 255, 255]],
]
const u64: [number, number[]][] = [
  [0, [0, 0, 0, 0, 0, 0, 0, 0]],
  [-0, [0, 0, 0, 0, 0, 0, 0, 0]],
  [0xffffffff, [0, 0, 0, 0, 255, 255, 255, 255]],
  [0x1_0000_0000, [0, 0, 0, 1, 0, 0, 0, 0]],
  [Number.MAX_SAFE_INTEGER, [0, 0x1f, 255, 255, 255, 255, 255, 255]],
]
for (const [value, bytes] of u32)
  test(`${value} in four bytes`, () => assert.deepEqual(plain(u32be(value)), bytes))
for (const [value, bytes] of u64)
  test(`${value} in eight bytes`, () => assert.deepEqual(plain(u64be(value)), bytes))

test('numbers are written as DataView writes them', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.maxSafeNat(), (small, large) => {
      assert.equal(Buffer.from(u32be(small)).readUInt32BE(), small)
      assert.equal(Buffer.from(u64be(large)).readBigUInt64BE(), BigInt(large))
    }),
  )
})

for (const value of [-1, 0.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY]) {
  test(`${value} is no u32`, () => assert.throws(() => u32be(value), TypeError))
}
for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
  test(`${value} is no safe u64`, () => assert.throws(() => u64be(value), TypeError))
}

test('a length prefix separates what would run together', () => {
  assert.deepEqual(plain(lengthPrefixed(Uint8Array.of(7, 8))), [0, 0, 0, 2, 7, 8])
  assert.deepEqual(plain(lengthPrefixed(new Uint8Array(0))), [0, 0, 0, 0])
  fc.assert(
    fc.property(fewBytes, fewBytes, fewBytes, fewBytes, (a, b, c, d) => {
      const left = concatBytes(lengthPrefixed(a), lengthPrefixed(b))
      const right = concatBytes(lengthPrefixed(c), lengthPrefixed(d))
      assert.equal(equalBytes(left, right), equalBytes(a, c) && equalBytes(b, d))
    }),
  )
})

test('compares as memory does, and equal means equal', () => {
  fc.assert(
    fc.property(fewBytes, fewBytes, (a, b) => {
      const expected = Buffer.compare(a, b)
      assert.equal(Math.sign(compareBytes(a, b)), expected)
      assert.equal(equalBytes(a, b), expected === 0)
      assert.equal(equalBytes(a, Buffer.from(b)), expected === 0)
    }),
    { numRuns: 500 },
  )
})

test('sorts with a prefix before what it begins', () => {
  const sorted = [[1, 0], [], [255], [1], [0, 255]].map((list) => Uint8Array.from(list)).sort(compareBytes)
  assert.deepEqual(sorted.map(plain), [[], [0, 255], [1], [1, 0], [255]])
})
