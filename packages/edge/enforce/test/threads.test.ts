import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@quantum-ip/base'
import { simulatedClock } from '@quantum-ip/testing'
import { allocateReplayMemory } from '@quantum-ip/verifier'
import { openGatewayThreads } from '../src/index.ts'
import { type TestDomain, createTestDomain } from './support/domain.ts'
import { ask, openEcho } from './support/scene.ts'
import type { ThreadData } from './support/thread-entry.ts'

const entry = new URL('./support/thread-entry.ts', import.meta.url)
const skip = process.platform === 'linux' ? false : 'threads share a port on Linux and BSD only'

function dataFor(domain: TestDomain, upstream: string, replay: SharedArrayBuffer): ThreadData {
  const { roots, bundles, states } = domain.published
  const documents = { root: roots.at(-1) ?? '', bundle: bundles.at(-1) ?? '', states }
  return { td: domain.td, pins: domain.pins, service: domain.shop, upstream, replay, documents }
}

test('accepts each one-time token exactly once over threads that share a port', { skip }, async () => {
  // Threads read the real clock: the domain's stands still where that is now.
  const domain = await createTestDomain({ clock: simulatedClock(systemClock.now()) })
  await using echo = await openEcho('echo')
  const replay = allocateReplayMemory({ bytes: 4_194_304, startedMs: systemClock.now() - 1_000 })
  await domain.publish()
  const acknowledged = Promise.withResolvers<void>()
  let waiting = 2
  const decided = [0, 0]
  await using threads = await openGatewayThreads({
    entry,
    threads: 2,
    data: dataFor(domain, echo.url, replay),
    onMessage: (message, thread) => {
      if (message === 'applied') waiting--
      else decided[thread] = (decided[thread] ?? 0) + 1
      if (waiting === 0) acknowledged.resolve()
    },
  })
  const tokens = await domain.issue(Array.from({ length: 50 }, () => ({ use: 1 as const })))
  threads.post(domain.published.states.at(-1))
  await acknowledged.promise
  const port = threads.addresses[0]?.port ?? 0
  const raced = await Promise.all(
    tokens.map(({ text }) => Promise.all([1, 2, 3, 4].map(() => ask(port, { token: text })))),
  )
  for (const answers of raced) assert.equal(answers.filter(({ status }) => status === 200).length, 1)
  assert.equal(echo.asked(), tokens.length)
  assert.ok(
    decided.every((count) => count > 0),
    `decisions of each thread: ${decided.join(', ')}`,
  )
})

test('says which thread did not open, and why', { skip }, async () => {
  const domain = await createTestDomain()
  const data = {
    ...dataFor(domain, 'http://127.0.0.1:1', allocateReplayMemory({ bytes: 1_048_576, startedMs: 0 })),
    fails: true,
  }
  await assert.rejects(openGatewayThreads({ entry, threads: 2, data }), {
    code: 'QIP_ENFORCE_THREAD_FAILED',
    message: 'gateway thread 1 ended: planned',
  })
  await assert.rejects(openGatewayThreads({ entry, threads: 0, data }), {
    code: 'QIP_ENFORCE_OPTION_INVALID',
  })
})
