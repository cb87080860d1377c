import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LoadShedder, loadPriorities } from '@quantum-ip/http'
import { allocateLoadMemory, SharedLoad } from '@quantum-ip/point'
import { openScene } from './support/scene.ts'

/** Lets in what has at least this priority; a request that is shed waits until `release` is called. */
function shedderAt(least: number): LoadShedder & { release(): void; waiting(): number } {
  let held = Promise.withResolvers<void>()
  let waiting = 0
  return {
    admit: (priority) => priority <= least,
    pause() {
      waiting++
      return held.promise
    },
    release() {
      held.resolve()
      held = Promise.withResolvers()
    },
    waiting: () => waiting,
    delayMs: 0,
    shares: () => [],
    [Symbol.dispose]: () => {},
  }
}

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 1)
    })
  }
}

test('sheds by the tier of the service, before anything is verified, with 503 and a Retry-After', async () => {
  const shedder = shedderAt(loadPriorities.indexOf('standard'))
  const shed: unknown[] = []
  await using scene = await openScene({
    shedder,
    onShed: (cause, service) => shed.push([cause, service]),
    routes: (url, { shop }) => [
      { match: { path: '/critical' }, service: shop, upstream: { url }, tier: 'critical' },
      { match: { path: '/plain' }, service: shop, upstream: { url } },
      { match: { path: '/low' }, service: shop, upstream: { url }, tier: 'low' },
    ],
  })
  const { text: token } = await scene.domain.issueOne({})
  assert.equal((await scene.ask({ token, path: '/critical' })).status, 200)
  assert.equal((await scene.ask({ token, path: '/plain' })).status, 200)
  const asking = [scene.ask({ token, path: '/low' }), scene.ask({ path: '/low' })]
  await until(() => shedder.waiting() === 2)
  shedder.release()
  for (const { status, headers, problem } of await Promise.all(asking)) {
    assert.deepEqual([status, problem['code']], [503, 'overloaded'])
    assert.match(headers['retry-after'] ?? '', /^[1-5]$/)
  }
  const cause = ['delay', scene.domain.shop]
  assert.deepEqual(shed, [cause, cause])
  assert.equal(scene.echo.asked(), 2)
  assert.equal(scene.records.length, 2, 'what is shed is not verified')
})

test('keeps a part of the requests in flight for services that matter more', async () => {
  const memory = allocateLoadMemory({ threads: 2 })
  const elsewhere = new SharedLoad(memory, 1).counter('in flight')
  const shed: unknown[] = []
  await using scene = await openScene({
    load: new SharedLoad(memory, 0),
    limits: { inFlightMax: 10 },
    onShed: (cause) => shed.push(cause),
    route: { tier: 'low' },
  })
  const { text } = await scene.domain.issueOne({})
  // Another thread of the process has so many.
  for (let count = 0; count < 7; count++) elsewhere.enter(100)
  assert.equal((await scene.ask({ token: text })).status, 200)
  elsewhere.enter(100)
  const refused = await scene.ask({ token: text })
  assert.deepEqual([refused.status, refused.problem['code']], [503, 'overloaded'])
  assert.match(refused.headers['retry-after'] ?? '', /^[1-5]$/)
  assert.deepEqual(shed, ['in_flight'])
})
