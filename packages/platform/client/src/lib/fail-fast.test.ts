import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedClock } from '@quantum-ip/testing'
import { FailFast } from './fail-fast.ts'

test('repeats a failure for a moment, longer each time, until something succeeds', () => {
  const clock = simulatedClock()
  const failFast = new FailFast(clock)
  failFast.check()
  let refusedMs = 0
  for (let failures = 1; failures <= 8; failures++) {
    const error = new Error(`failure ${failures}`)
    failFast.failed(error)
    assert.throws(() => failFast.check(), error)
    const before = refusedMs
    for (refusedMs = 0; ; refusedMs += 10) {
      try {
        failFast.check()
        break
      } catch {
        clock.advance(10)
      }
    }
    assert.ok(refusedMs <= 2_000 && refusedMs >= Math.min(before / 2, 1_000), `${before} then ${refusedMs}`)
  }
  failFast.failed(new Error('again'))
  failFast.succeeded()
  failFast.check()
})

test('a clock that was set back holds nobody up', () => {
  const clock = simulatedClock()
  const failFast = new FailFast(clock)
  failFast.failed(new Error('no'))
  clock.advance(-3_600_000)
  failFast.check()
})
