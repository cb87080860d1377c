import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { openClient, openFleet, type TestFleet, until } from './support/fleet.ts'
import { qip } from './support/qip.ts'

const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const services = 'spiffe://acme.example/ns/prod/sa'

/** Starts `qip serve --role forward-auth` with two threads. */
async function openEndpoint(stack: AsyncDisposableStack, fleet: TestFleet, folder: string): Promise<string> {
  const found = (await (await fetch(`${fleet.authorityUrl}/.well-known/quantum-ip`)).json()) as {
    rootThumbprints: readonly string[]
  }
  await mkdir(folder, { recursive: true })
  await writeFile(
    path.join(folder, 'quantum-ip.yaml'),
    `trustDomain: spiffe://acme.example
authority: { url: ${fleet.authorityUrl} }
trust: { rootThumbprints: [${found.rootThumbprints.join(', ')}] }
services: [{ id: ${services}/shop }]
forwardAuth: { name: forward-1, listen: 127.0.0.1:0, threads: 2, routes: [{ service: ${services}/shop }] }
`,
  )
  const out = path.join(folder, 'join')
  const made = await fleet.qip('join-token', `${services}/forward-1`, '--role', 'verifier', '--out', out)
  assert.equal(made.code, 0, made.stderr)
  const args = ['serve', '--role', 'forward-auth', '--join-token-file', 'join', '--json']
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stack.defer(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return (JSON.parse(line) as { url: string }).url
}

test('qip serve --role forward-auth answers by tokens of a real authority, in two threads, and explains itself', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(path.join(tmpdir(), 'qip-forward-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const fleet = await openFleet(stack, { folder, names: [] })
  const url = await openEndpoint(stack, fleet, path.join(folder, 'forward'))
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
