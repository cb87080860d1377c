import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  allocateReplayMemory,
  type OneTimeUse,
  ReplayFilter,
  type ReplayGuard,
  type ReplayOutcome,
} from '@quantum-ip/verifier'
import { FallbackGuard } from './index.ts'

const startedMs = 1_800_000_000_000
const startedS = startedMs / 1_000

function use(index: number, changes: Partial<OneTimeUse> = {}): OneTimeUse {
  return {
    log: 'acme.example/tokens/1',
    index,
    issuedS: startedS + 2,
    expiresS: startedS + 62,
    nowMs: startedMs + 3_000,
    requestId: undefined,
    proxy: undefined,
    ...changes,
  }
}

function local(): ReplayFilter {
  const filter = new ReplayFilter(allocateReplayMemory({ bytes: 4 * 1_048_576, startedMs }), {
    retryWindowMs: 1_000,
  })
  filter.observe({ timeMs: startedMs + 2_000, logs: new Map() })
  return filter
}

// Stands for a store that all share: what it answers is what matters here, not how it knows.
function store(): ReplayGuard & { away: boolean; readonly used: Set<number> } {
  const used = new Set<number>()
  return {
    scope: 'shared',
    away: false,
    used,
    async consume({ index }): Promise<ReplayOutcome> {
      if (this.away) return 'unavailable'
      const outcome = used.has(index) ? 'replayed' : 'fresh'
      used.add(index)
      return outcome
    },
    observe: () => {},
    ready() {
      return !this.away
    },
  }
}

test('asks the shared memory as long as it answers', async () => {
  const shared = store()
  const [one, two] = [local(), local()].map((memory) => new FallbackGuard({ shared, local: memory })) as [
    FallbackGuard,
    FallbackGuard,
  ]
  assert.equal(await one.consume(use(1)), 'fresh')
  assert.equal(await two.consume(use(1)), 'replayed')
  assert.equal(await one.consume(use(1)), 'replayed')
})

test('goes on with its own while the shared one is away, and says so', async () => {
  const shared = store()
  const guard = new FallbackGuard({ shared, local: local() })
  assert.equal(await guard.consume(use(1)), 'fresh')
  shared.away = true
  assert.equal(await guard.consume(use(1)), 'replayed', 'used here before the outage')
  assert.equal(await guard.consume(use(2)), 'fresh_here')
  assert.equal(await guard.consume(use(2)), 'replayed')
  assert.equal(guard.ready(), true)
  shared.away = false
  assert.equal(await guard.consume(use(2)), 'replayed', 'used here during the outage')
  assert.equal(await guard.consume(use(3)), 'fresh')
})

test('knows a retry of what it took itself', async () => {
  const shared = store()
  const guard = new FallbackGuard({ shared, local: local() })
  const named = { requestId: 'r1', proxy: 'edge-1' }
  assert.equal(await guard.consume(use(1, named)), 'fresh')
  shared.away = true
  assert.equal(await guard.consume(use(1, named)), 'retry')
  assert.equal(await guard.consume(use(1, { ...named, requestId: 'r2' })), 'replayed')
})

test('where both cannot say, neither does it', async () => {
  const shared = store()
  shared.away = true
  const empty = new ReplayFilter(allocateReplayMemory({ bytes: 4 * 1_048_576, startedMs }))
  const guard = new FallbackGuard({ shared, local: empty })
  assert.equal(guard.ready(), false)
  assert.equal(await guard.consume(use(1)), 'unavailable')
})

test('a store that fails in a way that nobody thought of is one that is away', async () => {
  const shared: ReplayGuard = { ...store(), consume: () => Promise.reject(new Error('no')) }
  const guard = new FallbackGuard({ shared, local: local() })
  assert.equal(await guard.consume(use(1)), 'fresh_here')
})
