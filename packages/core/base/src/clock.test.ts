import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock, systemRandom } from './clock.ts'
import { hex } from './encoding.ts'

test('the clock of this machine says what Date says', () => {
  const before = Date.now()
  const now = systemClock.now()
  assert.ok(now >= before && now <= Date.now())
})

for (const size of [0, 1, 16, 32, 16_384, 16_385, 100_000]) {
  test(`draws ${size} bytes`, () => assert.equal(systemRandom.bytes(size).length, size))
}

test('never hands out the same bytes twice, over many refills', () => {
  const seen = new Set<string>()
  // 5,000 × 16 bytes are five pools; sizes that do not divide the pool come in between.
  for (let i = 0; i < 5_000; i++) {
    seen.add(hex(systemRandom.bytes(16)))
    if (i % 7 === 0) systemRandom.bytes(i % 61)
  }
  assert.equal(seen.size, 5_000)
})

test('bytes belong to the caller: writing to them changes nothing that is drawn later', () => {
  const drawn = systemRandom.bytes(32)
  assert.equal(drawn.buffer.byteLength, 32)
  drawn.fill(0)
  assert.notEqual(hex(systemRandom.bytes(32)), hex(drawn))
})

test('every bit comes up: no byte of a draw stays what it was', () => {
  const or = new Uint8Array(48)
  const and = new Uint8Array(48).fill(255)
  // The chance that a bit is the same 200 times is 2^-199.
  for (let i = 0; i < 200; i++) {
    systemRandom.bytes(48).forEach((byte, at) => {
      or[at] = (or[at] ?? 0) | byte
      and[at] = (and[at] ?? 0) & byte
    })
  }
  assert.ok(or.every((byte) => byte === 255))
  assert.ok(and.every((byte) => byte === 0))
})

for (const size of [-1, -16_384, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
  test(`${size} bytes are a mistake, and the pool survives it`, () => {
    const before = hex(systemRandom.bytes(64))
    assert.throws(() => systemRandom.bytes(size), TypeError)
    const after = systemRandom.bytes(64)
    assert.equal(after.length, 64)
    assert.notEqual(hex(after), before)
    // Bytes that were handed out are zero in the pool: a mark that moved back would serve them.
    assert.ok(after.filter((byte) => byte === 0).length < 16)
  })
}
