import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { seeded } from '@quantum-ip/testing'
import { allocateReplayMemory, ReplayFilter, type ReplayOutcome } from '../src/index.ts'
import type { ReplayWork } from './replay-worker.ts'

const startedMs = 1_800_000_000_000
const startedS = startedMs / 1_000

async function race(bytes: number, uses: ReplayWork['uses']): Promise<ReplayOutcome[][]> {
  const memory = allocateReplayMemory({ bytes, startedMs })
  new ReplayFilter(memory, { floorSkewMs: 0 }).observe({ timeMs: startedMs, logs: new Map() })
  const gate = new SharedArrayBuffer(4)
  const work: ReplayWork = { memory, gate, threads: 2, uses, issuedS: startedS, nowMs: startedMs + 1_000 }
  const workers = [1, 2].map(
    () => new Worker(new URL('replay-worker.ts', import.meta.url), { workerData: work }),
  )
  return Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as ReplayOutcome[]))
}

test('accepts each token on exactly one of two threads', async () => {
  const random = seeded('threads')
  // Several logs, several buckets, dense and sparse: threads meet in records, roots, chunks, words and bits.
  const uses = Array.from({ length: 60_000 }, (_, n) => {
    const log = `acme.example/tokens/${random.integer(1, 12)}`
    return { log, index: n % 2 === 0 ? n : n * 4_099, expiresS: startedS + 15 + random.integer(0, 100) }
  })
  let contested = 0
  // On a busy machine one thread may be through before the other one has begun: that is no race.
  for (let attempt = 0; contested === 0 && attempt < 10; attempt++) {
    const [one = [], two = []] = await race(16 * 1_048_576, uses)
    for (const [at, outcome] of one.entries()) {
      assert.deepEqual(new Set([outcome, two[at]]), new Set(['fresh', 'replayed']), `use ${at}`)
      if (at > 0 && outcome !== one[at - 1]) contested += 1
    }
  }
  assert.ok(contested > 0, 'the threads raced')
})

test('accepts no token twice where the filter fills up under two threads', async () => {
  const uses = Array.from({ length: 40_000 }, (_, n) => ({
    log: 'acme.example/tokens/1',
    index: n * 1_009,
    expiresS: startedS + 60,
  }))
  const [one = [], two = []] = await race(600_000, uses)
  let full = 0
  for (const [at, outcome] of one.entries()) {
    const fresh = [outcome, two[at]].filter((each) => each === 'fresh').length
    assert.ok(fresh <= 1, `use ${at}`)
    if (outcome === 'unavailable') full += 1
  }
  assert.ok(full > 0, 'the filter was full')
})
