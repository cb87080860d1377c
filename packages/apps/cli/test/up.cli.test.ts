import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { qip } from './support/qip.ts'

const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const readme = path.resolve(import.meta.dirname, '../../../../README.md')

async function folder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const made = await mkdtemp(path.join(tmpdir(), 'qip-up-'))
  return { path: made, [Symbol.asyncDispose]: () => rm(made, { recursive: true, force: true }) }
}

interface Journey {
  readonly ok: boolean
  readonly cases: readonly {
    readonly name: string
    readonly reason: string
    readonly action: string
    readonly httpStatus: number
  }[]
}

test('the journey ends as expected, ten times of ten', async () => {
  await using place = await folder()
  const { code, stdout, stderr } = await qip(['up', '--demo', '--once', '--json'], { cwd: place.path })
  assert.equal(code, 0, stderr + stdout)
  const { ok, cases } = JSON.parse(stdout) as Journey
  assert.equal(ok, true)
  assert.deepEqual(
    cases.map(({ reason, action, httpStatus }) => [reason, action, httpStatus]),
    [
      ['ok', 'allow', 200],
      ['token_absent', 'reject', 401],
      ['token_stripped', 'reject', 401],
      ['token_truncated', 'reject', 401],
      ['signature_invalid', 'reject', 401],
      ['token_expired', 'reject', 401],
      ['audience_mismatch', 'reject', 401],
      ['token_replayed', 'reject', 401],
      ['ok', 'quarantine', 200],
      ['build_revoked', 'reject', 401],
    ],
  )
})

/** The four lines of the README. */
async function readmeConfig(): Promise<string> {
  const text = await readFile(readme, 'utf8')
  const block = /```yaml\n(trustDomain[\s\S]*?)```/.exec(text)?.[1]
  assert.ok(block)
  return block
}

test('the four lines of the README are a good configuration, and a closed one', async () => {
  const { gateway, heads, replay } = parseConfig(await readmeConfig(), 'quantum-ip.yaml')
  assert.equal(gateway.routes[0]?.policy, undefined)
  assert.equal(heads.unanchored, 'audit')
  assert.equal(replay.scope, 'single')
})

/** `qip up` with a configuration, until it says where it is. */
async function up(cwd: string): Promise<{ readonly said: Record<string, string>; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [launcher, 'up', '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    said: JSON.parse(line) as Record<string, string>,
    async stop() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      assert.deepEqual(await ended, [0, null])
    },
  }
}

test('`qip up` on these lines refuses what has no token, lets a good one through, in two threads, also after a restart', async () => {
  await using place = await folder()
  const upstream = createServer((request, response) =>
    response.end(request.headers['quantum-ip-status'] ?? ''),
  )
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const { port } = upstream.address() as AddressInfo
  const yaml = (await readmeConfig()).replace('127.0.0.1:9000', `127.0.0.1:${port}`).replace(
    'gateway:',
    `authority: { listen: 127.0.0.1:0 }
admission:
  rules: [{ service: spiffe://acme.example/ns/prod/sa/*, builder: '**' }]
gateway:
  listen: 127.0.0.1:0
  threads: 2`,
  )
  await writeFile(path.join(place.path, 'quantum-ip.yaml'), yaml)
  for (const round of ['first start', 'restart']) {
    const node = await up(place.path)
    const { said } = node
    assert.equal((await fetch(`${said['gateway']}/`)).status, 401, round)
    const issued = await qip(
      [
        'token',
        'issue',
        '--as',
        'spiffe://acme.example/ns/prod/sa/checkout',
        '--audience',
        'spiffe://acme.example/ns/prod/sa/shop',
        '--raw',
      ],
      { cwd: place.path },
    )
    assert.equal(issued.code, 0, issued.stderr)
    const good = await fetch(`${said['gateway']}/`, { headers: { 'quantum-ip': issued.stdout.trim() } })
    assert.equal(good.status, 200, round)
    assert.match(await good.text(), /status=verified/)
    const fleet = await qip(['fleet', '--json'], { cwd: place.path })
    assert.match(fleet.stdout, /"members":\[\{/, round)
    await node.stop()
  }
  upstream.close()
})

test('qip up says where a configured forward authentication is to be started', async () => {
  await using place = await folder()
  const config = `services: [{ id: spiffe://trust.internal/ns/prod/sa/shop }]
authority: { listen: 127.0.0.1:0, socket: authority.sock }
forwardAuth: { routes: [{ service: spiffe://trust.internal/ns/prod/sa/shop }] }
`
  await writeFile(path.join(place.path, 'quantum-ip.yaml'), config)
  const child = spawn(process.execPath, [launcher, 'up'], {
    cwd: place.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  try {
    let told = ''
    for await (const line of createInterface({ input: child.stdout })) {
      told += `${line}\n`
      if (line.includes('next:')) break
    }
    assert.match(told, /forward-auth +not started here: `qip serve --role forward-auth` runs it/)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
})
