import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@quantum-ip/base'
import { simulatedClock } from '@quantum-ip/testing'
import { allocateReplayMemory } from '@quantum-ip/verifier'
import { openGatewayThreads } from '../src/index.ts'
import { createTestDomain } from './support/domain.ts'
import { type CheckAnswer, openCheckClient } from './support/ext-authz-client.ts'
import { ask, openEcho } from './support/scene.ts'
import { threadData } from './support/thread-data.ts'

const entry = new URL('./support/thread-entry.ts', import.meta.url)
const skip = process.platform === 'linux' ? false : 'threads share a port on Linux and BSD only'

interface Racing extends AsyncDisposable {
  readonly port: number
  /** One-time tokens that both threads know. */
  readonly tokens: readonly { readonly text: string }[]
  /** That both threads have decided. */
  checkBothDecided(): void
}

/** Two threads with one replay filter: gateways before `upstream`, or without one what proxies ask over HTTP, or Envoy over gRPC. */
async function openRacing(upstream: string | undefined, isForward = false): Promise<Racing> {
  // Threads read the real clock: the domain's stands still where that is now.
  const domain = await createTestDomain({ clock: simulatedClock(systemClock.now()) })
  const replay = allocateReplayMemory({ bytes: 4_194_304, startedMs: systemClock.now() - 1_000 })
  await domain.publish()
  const acknowledged = Promise.withResolvers<void>()
  let waiting = 2
  const decided = [0, 0]
  const threads = await openGatewayThreads({
    entry,
    threads: 2,
    data: threadData(domain, { upstream, isForward, replay }),
    onMessage: (message, thread) => {
      if (message === 'applied') waiting--
      else decided[thread] = (decided[thread] ?? 0) + 1
      if (waiting === 0) acknowledged.resolve()
    },
  })
  const tokens = await domain.issue(Array.from({ length: 50 }, () => ({ use: 1 as const })))
  threads.post(domain.published.states.at(-1))
  await acknowledged.promise
  return {
    port: threads.addresses[0]?.port ?? 0,
    tokens,
    checkBothDecided() {
      assert.ok(
        decided.every((count) => count > 0),
        `decisions of each thread: ${decided.join(', ')}`,
      )
    },
    [Symbol.asyncDispose]: () => threads.close(),
  }
}

test('accepts each one-time token exactly once over threads that share a port', { skip }, async () => {
  await using echo = await openEcho('echo')
  await using racing = await openRacing(echo.url)
  const { port, tokens } = racing
  const raced = await Promise.all(
    tokens.map(({ text }) => Promise.all([1, 2, 3, 4].map(() => ask(port, { token: text })))),
  )
  for (const answers of raced) assert.equal(answers.filter(({ status }) => status === 200).length, 1)
  assert.equal(echo.asked(), tokens.length)
  racing.checkBothDecided()
})

test('takes each one-time token exactly once over threads that proxies ask', { skip }, async () => {
  await using racing = await openRacing(undefined, true)
  const { port, tokens } = racing
  const fields = ['X-Original-Method', 'GET', 'X-Original-URI', '/', 'X-Original-Host', 'shop.acme.example']
  const about = { path: '/original', fields: [...fields, 'X-Original-Proto', 'https'] }
  const raced = await Promise.all(
    tokens.map(({ text }) => Promise.all([1, 2, 3, 4].map(() => ask(port, { ...about, token: text })))),
  )
  for (const answers of raced) {
    const refused = answers.filter(({ status }) => status === 401)
    assert.deepEqual([answers.filter(({ status }) => status === 200).length, refused.length], [1, 3])
    for (const { headers } of refused) assert.match(headers['quantum-ip-verdict'] as string, /token_replayed/)
  }
  racing.checkBothDecided()
})

test('takes each one-time token exactly once over threads that Envoy asks over gRPC', { skip }, async () => {
  await using racing = await openRacing(undefined)
  using stack = new DisposableStack()
  // A connection stays with its thread: of 16, all go to one of two once in 32,768 runs.
  const clients = Array.from({ length: 16 }, () => stack.use(openCheckClient(`127.0.0.1:${racing.port}`)))
  const ask = (token: string): Promise<CheckAnswer[]> => {
    const headers = { 'x-forwarded-proto': 'https', 'quantum-ip': token }
    const http = { method: 'GET', path: '/cart', host: 'shop.acme.example', headers }
    return Promise.all(clients.map((client) => client.check({ http })))
  }
  const raced = await Promise.all(racing.tokens.map(({ text }) => ask(text)))
  for (const answers of raced) {
    assert.equal(answers.filter(({ code }) => code === 0).length, 1)
    assert.ok(answers.every(({ code, metadata }) => code === 0 || metadata['reason'] === 'token_replayed'))
  }
  racing.checkBothDecided()
})

test('says which thread did not open, and why', { skip }, async () => {
  const domain = await createTestDomain()
  const data = {
    ...threadData(domain, {
      upstream: 'http://127.0.0.1:1',
      replay: allocateReplayMemory({ bytes: 1_048_576, startedMs: 0 }),
    }),
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
