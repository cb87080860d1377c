import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { allocateReplayMemory, ReplayFilter, type ReplayFilterOptions } from './replay-filter.ts'
import type { OneTimeUse } from './replay-guard.ts'

const startedMs = 1_800_000_000_000
const startedS = startedMs / 1_000
const origin = 'acme.example/tokens/1'

function filter(
  options: ReplayFilterOptions & { bytes?: number; logs?: [string, number][]; observed?: boolean } = {},
) {
  const memory = allocateReplayMemory({ bytes: options.bytes ?? 4 * 1_048_576, startedMs })
  const guard = new ReplayFilter(memory, options)
  if (options.observed !== false) guard.observe(stateAt(2_000, options.logs ?? [[origin, 0]]))
  return { memory, guard }
}

function stateAt(afterMs: number, logs: [string, number][]) {
  return { timeMs: startedMs + afterMs, logs: new Map(logs.map(([name, size]) => [name, { size }])) }
}

function use(index: number, changes: Partial<OneTimeUse> = {}): OneTimeUse {
  return {
    log: origin,
    index,
    issuedS: startedS + 2,
    expiresS: startedS + 62,
    nowMs: startedMs + 3_000,
    requestId: undefined,
    proxy: undefined,
    ...changes,
  }
}

test('accepts a token once', () => {
  const { guard } = filter()
  assert.equal(guard.consume(use(7)), 'fresh')
  assert.equal(guard.consume(use(7)), 'replayed')
  assert.equal(guard.consume(use(8)), 'fresh')
  assert.equal(guard.stats().tokens, 2)
})

test('keeps equal indexes of two logs, and far indexes of one, apart', () => {
  const { guard } = filter()
  const far = [5, 5 + 2 ** 31, 5 + 2 ** 32, 5 + 2 ** 36, 5 + 2 ** 41, 2 ** 48 - 1]
  for (const log of ['acme.example/tokens/1', 'acme.example/tokens/2']) {
    for (const index of far) assert.equal(guard.consume(use(index, { log })), 'fresh', `${log} ${index}`)
  }
  for (const log of ['acme.example/tokens/1', 'acme.example/tokens/2']) {
    for (const index of far) assert.equal(guard.consume(use(index, { log })), 'replayed', `${log} ${index}`)
  }
})

test('agrees with a set of indexes, whatever the order', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          log: fc.constantFrom('a/tokens/1', 'a/tokens/2', 'a/tokens/3'),
          index: fc.oneof(
            fc.nat(200),
            fc.maxSafeNat().map((n) => n % 2 ** 48),
          ),
          late: fc.nat(100),
        }),
        { maxLength: 400 },
      ),
      (uses) => {
        const { guard } = filter({ bytes: 2 * 1_048_576 })
        const seen = new Set<string>()
        for (const { log, index } of uses) {
          // One token has one expiry: derived from its name.
          const expiresS = startedS + 40 + (index % 100)
          const name = `${log} ${index}`
          assert.equal(guard.consume(use(index, { log, expiresS })), seen.has(name) ? 'replayed' : 'fresh')
          seen.add(name)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('answers nothing before a state younger than its start has set the floors', () => {
  const { guard } = filter({ observed: false })
  assert.equal(guard.ready(), false)
  assert.equal(guard.consume(use(7)), 'unavailable')
  guard.observe(stateAt(-5_000, [[origin, 100]]))
  guard.observe(stateAt(999, [[origin, 100]]))
  assert.equal(guard.consume(use(7)), 'unavailable')
  guard.observe(stateAt(1_000, [[origin, 100]]))
  assert.equal(guard.ready(), true)
  assert.equal(guard.consume(use(100)), 'fresh')
})

test('refuses what a log held at the start, and never raises or lowers a floor', () => {
  const { guard } = filter({ logs: [[origin, 2 ** 36 + 100]] })
  guard.observe(stateAt(3_000, [[origin, 5]]))
  guard.observe(stateAt(4_000, [[origin, 2 ** 37]]))
  for (const index of [0, 99, 2 ** 32, 2 ** 36, 2 ** 36 + 99]) {
    assert.equal(guard.consume(use(index)), 'unavailable', String(index))
  }
  for (const index of [2 ** 36 + 100, 2 ** 37 + 1])
    assert.equal(guard.consume(use(index)), 'fresh', String(index))
})

test('refuses a token from before the start of a log that the first state did not list', () => {
  const { guard } = filter()
  const log = 'acme.example/tokens/2'
  assert.equal(guard.consume(use(7, { log, issuedS: startedS - 1 })), 'unavailable')
  assert.equal(guard.consume(use(7, { log, issuedS: startedS })), 'fresh')
})

test('forgets a token only when it is long expired, and then refuses rather than accepts it', () => {
  const { guard } = filter()
  assert.equal(guard.consume(use(7)), 'fresh')
  const later = (s: number, changes: Partial<OneTimeUse>) =>
    guard.consume(use(9_999, { nowMs: startedMs + s * 1_000, expiresS: startedS + s + 60, ...changes }))
  assert.equal(later(62 + 30, {}), 'fresh')
  assert.equal(guard.consume(use(7, { nowMs: startedMs + 92_000 })), 'replayed')
  assert.equal(later(200, { index: 10_000 }), 'fresh')
  assert.equal(guard.stats().tokens, 2, 'the first bucket is dropped')
  assert.equal(guard.consume(use(7, { nowMs: startedMs + 200_000 })), 'unavailable')
  // A clock that jumps back must not bring a forgotten token back to life.
  assert.equal(guard.consume(use(7, { nowMs: startedMs + 3_000 })), 'unavailable')
})

test('refuses an expiry further away than it can remember', () => {
  const { guard } = filter()
  assert.equal(guard.consume(use(7, { expiresS: startedS + 3_600 })), 'unavailable')
})

test('refuses when it is full, keeps what it has, and recovers when tokens expire', () => {
  const { guard } = filter({ bytes: 600_000 })
  let index = 0
  let outcome = 'fresh'
  while (outcome === 'fresh') outcome = guard.consume(use((index += 1_000)))
  assert.equal(outcome, 'unavailable')
  assert.ok(index > 1_000)
  for (let used = 1_000; used < index; used += 1_000) assert.equal(guard.consume(use(used)), 'replayed')
  const late = { nowMs: startedMs + 200_000, expiresS: startedS + 260 }
  assert.equal(guard.consume(use(3, late)), 'fresh')
  assert.equal(guard.stats().tokens, 1)
})

test('takes at most 20 bytes for a sparse token and 2 for a dense one', () => {
  const bytes = 4 * 1_048_576
  for (const { step, most } of [
    { step: 1_999, most: 20 },
    { step: 1, most: 2 },
  ]) {
    const { guard, memory } = filter({ bytes })
    // Tokens of one minute, in batches: they expire in four buckets.
    let index = 0
    let count = 0
    while (count < 400_000) {
      const expiresS = startedS + 62 + (Math.floor(count / 20_000) % 60)
      if (guard.consume(use(index, { expiresS })) !== 'fresh') break
      index += step
      count += 1
    }
    const { chunks, chunksMax } = guard.stats()
    const perToken = (memory.byteLength * (chunks / chunksMax)) / count
    assert.ok(perToken <= most, `${perToken} bytes per token with step ${step}, ${count} tokens`)
  }
})

test('lets the same request of the same named proxy come again within the window', () => {
  const { guard } = filter({ retryWindowMs: 2_000 })
  const first = { requestId: 'r1', proxy: 'edge-1' }
  assert.equal(guard.consume(use(7, first)), 'fresh')
  for (const [changes, outcome] of [
    [first, 'retry'],
    [{ ...first, nowMs: startedMs + 5_000 }, 'retry'],
    [{ ...first, nowMs: startedMs + 5_001 }, 'replayed'],
    [{ ...first, requestId: 'r2' }, 'replayed'],
    [{ ...first, proxy: 'edge-2' }, 'replayed'],
    [{ ...first, proxy: undefined }, 'replayed'],
    [{ ...first, requestId: undefined }, 'replayed'],
  ] as const) {
    assert.equal(guard.consume(use(7, changes)), outcome, JSON.stringify(changes))
  }
  const { guard: strict } = filter()
  strict.consume(use(7, first))
  assert.equal(strict.consume(use(7, first)), 'replayed', 'no window, no retry')
})

test('serves two threads that open one memory', () => {
  const { guard, memory } = filter({ logs: [[origin, 10]] })
  const other = new ReplayFilter(memory)
  assert.equal(other.ready(), true)
  assert.equal(guard.consume(use(11)), 'fresh')
  assert.equal(other.consume(use(11)), 'replayed')
  assert.equal(other.consume(use(9)), 'unavailable')
})

test('gives the records of logs that ended to new ones', () => {
  const { guard } = filter({ bytes: 8 * 1_048_576 })
  const at = (s: number, log: string) =>
    guard.consume(
      use(1, { log, nowMs: startedMs + s * 1_000, issuedS: startedS + s, expiresS: startedS + s + 60 }),
    )
  for (let n = 0; n < 1_023; n++) assert.equal(at(3, `acme.example/tokens/${n + 2}`), 'fresh')
  assert.equal(at(3, 'acme.example/tokens/9999'), 'unavailable', 'no record left')
  assert.equal(at(3, 'acme.example/tokens/2'), 'replayed')
  for (let n = 0; n < 1_023; n++) assert.equal(at(300, `acme.example/tokens/${n + 5_000}`), 'fresh')
  for (let n = 0; n < 1_023; n++) assert.equal(at(300, `acme.example/tokens/${n + 5_000}`), 'replayed')
  assert.equal(at(301, 'acme.example/tokens/2'), 'unavailable', 'its record belongs to another log now')
})
