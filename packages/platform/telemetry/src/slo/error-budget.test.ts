import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { burnRate, errorBudget, timeToExhaustion } from './error-budget.ts'

const dayMs = 86_400_000
const near = (one: number, other: number) => Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(other))

test('says how a budget stands, in numbers known beforehand', () => {
  assert.deepEqual(errorBudget(0.99, { bad: 0, total: 0 }), {
    good: undefined,
    holds: true,
    allowed: 0,
    left: 1,
  })
  assert.deepEqual(errorBudget(0.99, { bad: 0, total: 1_000 }), {
    good: 1,
    holds: true,
    allowed: 10,
    left: 1,
  })
  assert.deepEqual(errorBudget(0.99, { bad: 4, total: 1_000 }), {
    good: 0.996,
    holds: true,
    allowed: 10,
    left: 0.6,
  })
  assert.deepEqual(errorBudget(0.99, { bad: 10, total: 1_000 }), {
    good: 0.99,
    holds: true,
    allowed: 10,
    left: 0,
  })
  assert.deepEqual(errorBudget(0.995, { bad: 10, total: 1_000 }), {
    good: 0.99,
    holds: false,
    allowed: 5,
    left: -1,
  })
  assert.deepEqual(errorBudget(1, { bad: 1, total: 1_000 }), {
    good: 0.999,
    holds: false,
    allowed: 0,
    left: 0,
  })
})

test('burns at 14.4 times its pace uses up 2 % of 30 days in an hour, and all of it in 50', () => {
  const rate = burnRate(0.99, { bad: 144, total: 1_000 })
  assert.ok(near(rate, 14.4))
  assert.ok(near(rate / (30 * 24), 0.02))
  assert.ok(near(timeToExhaustion({ left: 1, rate, periodMs: 30 * dayMs }), 50 * 3_600_000))
  assert.equal(burnRate(0.99, { bad: 0, total: 10 }), 0)
  assert.equal(burnRate(0.99, { bad: 0, total: 0 }), 0)
  assert.equal(burnRate(1, { bad: 1, total: 10 }), Number.POSITIVE_INFINITY)
  assert.equal(timeToExhaustion({ left: 0, rate: 1, periodMs: dayMs }), 0)
  assert.equal(timeToExhaustion({ left: 1, rate: 0, periodMs: dayMs }), Number.POSITIVE_INFINITY)
  assert.equal(timeToExhaustion({ left: 1, rate: Number.POSITIVE_INFINITY, periodMs: dayMs }), 0)
})

const target = fc.integer({ min: 0, max: 9_999 }).map((each) => each / 10_000)
const share = fc.nat(1_000_000).chain((total) => fc.record({ total: fc.constant(total), bad: fc.nat(total) }))

test('a burn rate of 1 over the whole period is exactly what uses the budget up', () => {
  fc.assert(
    fc.property(target, share, (aim, counted) => {
      const { left, holds } = errorBudget(aim, counted)
      const rate = burnRate(aim, counted)
      assert.ok(near(left, 1 - rate), `${left} ${rate}`)
      if (rate < 0.999_999) assert.ok(holds)
      if (rate > 1.000_001) assert.ok(!holds)
    }),
  )
})

test('more failures never leave more of a budget, nor burn it slower, nor make it last longer', () => {
  fc.assert(
    fc.property(target, share, fc.nat(1_000), (aim, { bad, total }, more) => {
      const [before, after] = [
        { bad, total },
        { bad: bad + more, total: total + more },
      ]
      assert.ok(errorBudget(aim, after).left <= errorBudget(aim, before).left + 1e-9)
      assert.ok(burnRate(aim, after) >= burnRate(aim, before) - 1e-9)
      const lasts = (counted: typeof before) =>
        timeToExhaustion({ left: 0.5, rate: burnRate(aim, counted), periodMs: dayMs })
      assert.ok(lasts(after) <= lasts(before) + 1e-3)
    }),
  )
})

test('refuses what is no share and no count', () => {
  const counted = { bad: 0, total: 0 }
  for (const wrong of [-0.1, 1.1, Number.NaN]) assert.throws(() => errorBudget(wrong, counted), RangeError)
  assert.throws(() => burnRate(0.9, { bad: -1, total: 1 }), RangeError)
  assert.throws(() => burnRate(0.9, { bad: 0, total: Number.NaN }), RangeError)
})
