import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Quarantine } from '@quantum-ip/policy'
import { quarantineLimiter } from './quarantine-limiter.ts'
import { SharedLoad, allocateLoadMemory } from './shared-load.ts'

function limiterOf(quarantine: Quarantine, load: { value: number } = { value: 0 }) {
  const shared = new SharedLoad(allocateLoadMemory({ threads: 1 }), 0)
  return quarantineLimiter(quarantine, 1_000, { shared, name: 'q', load })
}

test('lets a share of what the service is asked through, and not more', () => {
  const load = { value: 0 }
  const limiter = limiterOf({ kind: 'share', percent: 1 }, load)
  let admitted = 0
  for (let i = 0; i < 10_000; i++) {
    load.value++
    if (limiter.admit(0)) {
      admitted++
      limiter.leave()
    }
  }
  assert.ok(admitted >= 100 && admitted <= 101, String(admitted))
})

test('lets a rate through, with a burst that is bounded', () => {
  const limiter = limiterOf({ kind: 'limit', ratePerS: 5, concurrency: 1_000 })
  const admitted = (nowMs: number): number => {
    let count = 0
    while (limiter.admit(nowMs)) {
      count++
      limiter.leave()
    }
    return count
  }
  assert.equal(admitted(0), 1)
  assert.equal(admitted(1_000), 5)
  assert.equal(admitted(3_600_000), 10)
  assert.equal(admitted(3_000_000), 0, 'a clock that goes back earns nothing')
})

test('lets only so many through at once', () => {
  const limiter = limiterOf({ kind: 'limit', ratePerS: 1_000, concurrency: 2 })
  assert.deepEqual([limiter.admit(0), limiter.admit(1_000), limiter.admit(1_000)], [true, true, false])
  limiter.leave()
  assert.equal(limiter.admit(1_000), true)
})

test('does not limit a quarantine upstream', () => {
  assert.throws(() => limiterOf({ kind: 'upstream', upstream: 'q' }), TypeError)
})
