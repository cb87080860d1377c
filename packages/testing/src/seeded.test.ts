import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from './seeded.ts'

function draw(seed: number | string): unknown[] {
  const source = seeded(seed)
  return [source.fraction(), source.integer(0, 1e9), [...source.bytes(8)], source.shuffle([1, 2, 3, 4, 5, 6])]
}

test('equal seeds draw equal choices, other seeds draw others', () => {
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
  assert.notDeepEqual(draw('a'), draw('b'))
})

test('choices stay in their range and reach all of it', () => {
  const source = seeded('range')
  const seen = new Set(Array.from({ length: 500 }, () => source.integer(-2, 3)))
  assert.deepEqual(
    [...seen].toSorted((a, b) => a - b),
    [-2, -1, 0, 1, 2, 3],
  )
  assert.deepEqual(new Set(Array.from({ length: 100 }, () => source.pick(['x', 'y']))), new Set(['x', 'y']))
  assert.ok(Array.from({ length: 100 }, () => source.fraction()).every((value) => value >= 0 && value < 1))
  assert.throws(() => source.pick([]), TypeError)
})

test('the extremes of chance are certain, the middle is not', () => {
  const source = seeded('chance')
  const often = (p: number) => Array.from({ length: 1_000 }, () => source.chance(p)).filter(Boolean).length
  assert.equal(often(0), 0)
  assert.equal(often(1), 1_000)
  assert.ok(Math.abs(often(0.5) - 500) < 100)
})

test('a shuffle keeps all members and its input', () => {
  const values = [1, 2, 3, 4, 5]
  assert.deepEqual(
    seeded(1)
      .shuffle(values)
      .toSorted((a, b) => a - b),
    values,
  )
  assert.deepEqual(values, [1, 2, 3, 4, 5])
})

test('a fork does not depend on what was drawn before', () => {
  const fresh = seeded(3)
  const used = seeded(3)
  used.bytes(100)
  assert.deepEqual(fresh.fork('disk').bytes(16), used.fork('disk').bytes(16))
  assert.notDeepEqual(fresh.fork('disk').bytes(16), fresh.fork('network').bytes(16))
})
