import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { createEdgeHandler } from '@quantum-ip/inproxy/worker'
import { openClient, openFleet, type TestFleet, until } from './support/fleet.ts'

const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const services = 'spiffe://acme.example/ns/prod/sa'

/** Starts `qip edge-state` as a process that follows the authority. */
async function openEdgeState(stack: AsyncDisposableStack, fleet: TestFleet, folder: string): Promise<string> {
  const found = (await (await fetch(`${fleet.authorityUrl}/.well-known/quantum-ip`)).json()) as {
    rootThumbprints: readonly string[]
  }
  await mkdir(folder, { recursive: true })
  await writeFile(
    path.join(folder, 'quantum-ip.yaml'),
    `trustDomain: spiffe://acme.example
authority: { url: ${fleet.authorityUrl} }
trust: { rootThumbprints: [${found.rootThumbprints.join(', ')}] }
gateway: { name: edge-1 }
`,
  )
  const made = await fleet.qip(
    'join-token',
    `${services}/edge-1`,
    '--role',
    'verifier',
    '--out',
    path.join(folder, 'join'),
  )
  assert.equal(made.code, 0, made.stderr)
  const args = ['edge-state', '--out', 'held', '--join-token-file', 'join', '--json']
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
  return (JSON.parse(line) as { directory: string }).directory
}

test('qip edge-state keeps a folder from which tokens of a real authority are checked, and revocations come', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(path.join(tmpdir(), 'qip-edge-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const fleet = await openFleet(stack, { folder, names: [] })
  const held = await openEdgeState(stack, fleet, path.join(folder, 'edge'))
  const handler = createEdgeHandler({
    service: `${services}/shop`,
    stateUrl: '',
    upstream: async ({ headers }) => new Response(headers.get('quantum-ip-status')),
    maxAgeMs: 0,
    fetch: async (name) => {
      const text = await readFile(path.join(held, name), 'utf8').catch(() => undefined)
      return new Response(text, { status: text === undefined ? 404 : 200 })
    },
  })
  const client = await openClient(stack, fleet)
  const headers = await client.headers()
  const ask = (): Promise<Response> => handler(new Request('http://shop.acme.example/cart', { headers }))
  await until('the head is in the folder', async () => (await ask()).status === 200)
  assert.match(
    await (await ask()).text(),
    /^status=verified, reason=ok.*, sub="spiffe:\/\/acme\.example\/ns\/prod\/sa\/checkout"/,
  )
  const revoked = await fleet.qip('revoke', 'identity', `${services}/checkout`, '--reason', 'test')
  assert.equal(revoked.code, 0, revoked.stderr)
  await until('the revocation is in the folder', async () => (await ask()).status === 401)
})
