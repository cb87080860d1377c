import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lab } from '../src/gameday/lab.ts'
import { freePort } from '../src/gameday/processes.ts'

test(
  'a gateway serves its metrics at `telemetry.listen`, and nothing else that its operators see',
  { timeout: 60_000 },
  async () => {
    await using lab = await Lab.open()
    const port = await freePort()
    const authority = await lab.startAuthority()
    await lab.startGateway(authority, { config: { telemetry: { listen: `127.0.0.1:${port}` } } })
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
    const metrics = await get('/metrics')
    assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    assert.match(await metrics.text(), /^quantum_ip_verifications_total\{/m)
    // It becomes ready with its first state.
    while ((await get('/readyz')).status !== 200) await sleep(50)
    const statuses = await Promise.all(
      ['/healthz', '/v1/status', '/v1/decisions'].map(async (path) => (await get(path)).status),
    )
    assert.deepEqual(statuses, [200, 404, 404])
  },
)
