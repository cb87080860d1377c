import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { openAskedPoint, services } from './support/asked-point.ts'
import { openClient, openFleet, until } from './support/fleet.ts'
import { qip } from './support/qip.ts'

test('qip serve --role forward-auth answers by tokens of a real authority, in two threads, and explains itself', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(path.join(tmpdir(), 'qip-forward-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const fleet = await openFleet(stack, { folder, names: [] })
  const { url } = await openAskedPoint(stack, fleet, {
    folder: path.join(folder, 'forward'),
    role: 'forward-auth',
    yaml: `forwardAuth: { name: forward-1, listen: 127.0.0.1:0, threads: 2, routes: [{ service: ${services}/shop }] }`,
  })
  const client = await openClient(stack, fleet)
  const told = {
    'x-original-method': 'GET',
    'x-original-uri': '/cart',
    'x-original-host': 'shop.acme.example',
    'x-original-proto': 'http',
    connection: 'close',
  }
  const ask = async (): Promise<Response> =>
    fetch(`${url}/original`, { headers: { ...told, ...(await client.headers()) } })
  await until('the endpoint holds the trust state', async () => (await ask()).status === 200)
  const refused = await fetch(`${url}/original`, { headers: told })
  assert.equal(refused.status, 401)
  const id = refused.headers.get('quantum-ip-decision') ?? ''
  assert.match(id, /^forward-1-/)
  const explained = await qip(['explain', id, '--json'], { cwd: path.join(folder, 'forward') })
  assert.equal(explained.code, 0, explained.stderr)
  assert.match(explained.stdout, /token_absent/)
})
