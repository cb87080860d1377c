import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideRateChange } from './key-rate.ts'

const rule = { factor: 10, floor: 1_000 }
const minutes = (count: number, each: number) => Array.from({ length: count }, () => each)

test('takes more than ten times the usual rate for a change', () => {
  assert.deepEqual(decideRateChange(2_001, minutes(60, 200), rule), {
    count: 2_001,
    usual: 200,
    most: 2_000,
    minutes: 60,
  })
  assert.equal(decideRateChange(2_000, minutes(60, 200), rule), undefined)
})

test('takes nothing below the floor for one, nor a fall, nor anything before there is a usual rate', () => {
  assert.equal(decideRateChange(1_000, minutes(60, 0), rule), undefined)
  assert.notEqual(decideRateChange(1_001, minutes(60, 0), rule), undefined)
  assert.equal(decideRateChange(0, minutes(60, 5_000), rule), undefined)
  assert.equal(decideRateChange(1_000_000, minutes(9, 1), rule), undefined)
})

test('does not let one burst before make the next one usual', () => {
  assert.notEqual(decideRateChange(50_000, [...minutes(40, 300), ...minutes(10, 60_000)], rule), undefined)
})
