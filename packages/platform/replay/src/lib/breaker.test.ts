import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Breaker } from './breaker.ts'

const breaker = (): Breaker => new Breaker({ failuresMax: 3, openMs: 500 })

test('opens after three failures one after the other, and lets one through after a while', () => {
  const one = breaker()
  for (const [asked, failed] of [
    [0, 50],
    [51, 101],
  ] as const) {
    assert.equal(one.admit(asked), true)
    one.failed(asked, failed)
  }
  assert.equal(one.admit(102), true)
  one.failed(102, 152)
  assert.equal(one.admit(153), false)
  assert.equal(one.admit(651), false)
  assert.equal(one.admit(652), true, 'the probe')
  assert.equal(one.admit(653), false, 'others wait for it')
  one.succeeded()
  assert.equal(one.admit(654), true)
})

test('counts those that failed together once', () => {
  const one = breaker()
  for (let n = 0; n < 100; n++) one.failed(n / 100, 50 + n / 100)
  assert.equal(one.admit(60), true)
})

test('a success in between begins the count anew', () => {
  const one = breaker()
  for (let at = 0; at < 1_000; at += 100) {
    one.failed(at, at + 50)
    if (at % 200 === 0) one.succeeded()
  }
  assert.equal(one.admit(1_000), true)
})
