import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { type CheckAnswer, openCheckClient } from '../../../edge/enforce/test/support/ext-authz-client.ts'
import { openAskedPoint, services } from './support/asked-point.ts'
import { openClient, openFleet, until } from './support/fleet.ts'
import { qip } from './support/qip.ts'

/** What Envoy asks about `GET /cart`; `name`: which of our routes it names. */
const question = (headers: Record<string, string>, name?: string) => ({
  http: {
    method: 'GET',
    path: '/cart',
    host: 'shop.acme.example',
    headers: { ...headers, 'x-forwarded-proto': 'http' },
  },
  ...(name !== undefined && { context_extensions: { 'quantum_ip.route': name } }),
})

test('qip serve --role ext-authz takes a one-time token once over two threads, explains itself, and stops without a failed call', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(path.join(tmpdir(), 'qip-ext-authz-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const fleet = await openFleet(stack, { folder, names: [] })
  const own = path.join(folder, 'point')
  const point = await openAskedPoint(stack, fleet, {
    folder: own,
    role: 'ext-authz',
    yaml: `extAuthz:
  name: authz-1
  listen: 127.0.0.1:0
  threads: 2
  drain: 2s
  routes: [{ service: ${services}/shop }, { service: ${services}/shop, name: other, onlyByName: true }]`,
  })
  const caller = await openClient(stack, fleet)
  const target = new URL(point.url).host
  const clients = Array.from({ length: 16 }, () => stack.use(openCheckClient(target)))
  const [client] = clients
  assert.ok(client !== undefined)
  const asked = async (name?: string): Promise<CheckAnswer> =>
    client.check(question(await caller.headers(), name))
  await until('the point holds the trust state', async () => (await asked()).code === 0)
  await until('it takes one-time tokens', async () => (await client.health()) === 1)

  const once1 = await caller.headers({ oneTime: true })
  const raced = await Promise.all(clients.map((each) => each.check(question(once1))))
  const reasons = raced.map(({ metadata }) => metadata['reason'])
  assert.equal(reasons.filter((reason) => reason === 'ok').length, 1)
  assert.equal(reasons.filter((reason) => reason === 'token_replayed').length, 15)

  assert.equal((await asked('other')).metadata['route'], 'other')
  assert.equal((await asked('none')).status, 404)

  const { metadata } = await client.check(question({}))
  assert.match(metadata['decision'] ?? '', /^authz-1-/)
  const explained = await qip(['explain', metadata['decision'] ?? '', '--json'], { cwd: own })
  assert.equal(explained.code, 0, explained.stderr)
  assert.match(explained.stdout, /token_absent/)

  const watch = client.watch('envoy.service.auth.v3.Authorization')
  assert.deepEqual(await once(watch, 'data'), [1])
  const ended = point.end()
  assert.deepEqual(await once(watch, 'data'), [2])
  // Asked as before by who has not noticed yet.
  for (const each of clients) assert.equal((await each.check(question(await caller.headers()))).code, 0)
  assert.equal(await ended, 0)
})
