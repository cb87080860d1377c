import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemberLimits } from './member-limits.ts'

test('gives a member its burst, and then so many per minute', () => {
  let nowMs = 0
  const limits = new MemberLimits({ now: () => nowMs }, 2)
  assert.deepEqual([limits.take('a'), limits.take('a'), limits.take('a')], [true, true, false])
  assert.equal(limits.take('b'), true)
  nowMs = 30_000
  assert.deepEqual([limits.take('a'), limits.take('a')], [true, false])
})

test('many members give one that is at its limit no new burst: those that are unused for longest are forgotten', () => {
  const limits = new MemberLimits({ now: () => 0 }, 1)
  assert.equal(limits.take('unused'), true)
  assert.equal(limits.take('busy'), true)
  for (let nth = 0; nth < 20_000; nth++) {
    limits.take(`member-${nth}`)
    if (nth % 1_000 === 0) assert.equal(limits.take('busy'), false, `after ${nth}`)
  }
  assert.equal(limits.take('unused'), true, 'it is forgotten')
})
