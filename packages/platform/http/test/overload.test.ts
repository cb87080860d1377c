import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadPriorities } from '../src/index.ts'
import { Overload } from '../src/overload.ts'
import { call, started } from './support.ts'

test('lets in by priority while the thread is late, and counts what it refused', () => {
  const shedder = {
    admit: (priority: number) => priority < loadPriorities.indexOf('low'),
    pause: () => Promise.resolve(),
    delayMs: 0,
    shares: () => [],
    [Symbol.dispose]: () => {},
  }
  const overload = new Overload({ inFlightMax: 3, retryAfterMaxS: 5, shedder })
  overload.enter('critical')
  overload.enter('standard')
  assert.throws(() => overload.enter('low'), { code: 'QIP_HTTP_OVERLOADED' })
  assert.deepEqual([overload.inFlight, overload.refused], [2, 1])
  overload.enter('critical')
  assert.throws(() => overload.enter('critical'), { code: 'QIP_HTTP_OVERLOADED' })
})

test('refuses strangers while it is late with its work, still hears operators, and recovers', async () => {
  await using at = await started({ overload: { delayTargetMs: 1, windowMs: 20 } }, ({ app }) => {
    app.get('/open', { config: { access: 'open' } }, () => ({}))
    app.get('/operators', { config: { access: 'viewer' } }, () => ({}))
  })
  const status = async (path: string): Promise<number> => (await call({ port: at.port, path })).status
  // Keeps the thread busy, turn after turn.
  const busy = setInterval(() => {
    const untilMs = performance.now() + 30
    while (performance.now() < untilMs);
  }, 1)
  try {
    while ((await status('/open')) !== 503);
    assert.equal(await status('/operators'), 401, 'it is asked who it is')
  } finally {
    clearInterval(busy)
  }
  while ((await status('/open')) !== 200);
})
