import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { qip } from './support/qip.ts'

const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const domain = 'spiffe://acme.example/ns/prod/sa'
const builder = 'https://ci.acme.example/release'

const policy = `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: default, version: 1 }
spec:
  mode: enforce
  rules: [{ name: not-yet-checked, when: '!verdict.deep', action: allow, reasons: [ok_shallow] }]
  default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }
`

const configText = (upstream: string): string => `trustDomain: spiffe://acme.example
authority: { listen: 127.0.0.1:0 }
admission: { requireAttestation: on, rules: [{ service: ${domain}/*, builder: '${builder}' }] }
services: [{ id: ${domain}/shop }]
attestations: { deepCheck: deferred }
policies: { files: [policy.yaml] }
gateway:
  listen: 127.0.0.1:0
  detail: internal
  routes: [{ service: ${domain}/shop, upstream: ${upstream}, policy: default }]
`

async function openUpstream() {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(String(request.headers['quantum-ip-status']))
    response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function openNode(cwd: string) {
  const child = spawn(process.execPath, [launcher, 'up', '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    said: JSON.parse(line) as Record<string, string>,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Puts another envelope in the place of a logged one, as a thief of the store would. */
async function swapEnvelopes(cwd: string): Promise<void> {
  const file = (await readdir(path.join(cwd, 'data'))).find((name) => /\.(?:db|sqlite)$/.test(name)) ?? ''
  const database = new DatabaseSync(path.join(cwd, 'data', file))
  database.exec('PRAGMA busy_timeout = 5000')
  const rows = database.prepare('SELECT position, envelope FROM attestations ORDER BY position').all()
  const [first, second] = rows
  database
    .prepare('UPDATE attestations SET envelope = ? WHERE position = ?')
    .run(second?.['envelope'] ?? '', first?.['position'] ?? 0)
  database.close()
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => {
      setTimeout(resolve, 200)
    })
  }
}

test(
  'answers first, and revokes what the check afterwards proves bad, naming the requests that had passed',
  { timeout: 90_000 },
  async () => {
    const cwd = await mkdtemp(path.join(tmpdir(), 'qip-deferred-'))
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(() => rm(cwd, { recursive: true, force: true }))
    const upstream = cleanup.use(await openUpstream())
    await writeFile(path.join(cwd, 'policy.yaml'), policy)
    await writeFile(path.join(cwd, 'quantum-ip.yaml'), configText(upstream.url))
    const before = await openNode(cwd)
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await qip(args, { cwd })
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`)
      return stdout.trim()
    }
    await run('attest', '--new-keys', 'builder')
    const keys = ['ml-dsa-65', 'ed25519'].map((alg) => `builder/builder-${alg}`)
    await run('keys', 'register', builder, ...keys.map((key) => `${key}.public.jwk`))
    const source = [
      '--source',
      'git+https://git.acme.example/shop',
      '--commit',
      '0123456789012345678901234567890123456789',
    ]
    for (const name of ['bad.tgz', 'good.tgz']) {
      await writeFile(path.join(cwd, name), name)
      await run(
        'attest',
        name,
        '--builder',
        builder,
        ...source,
        ...keys.flatMap((key) => ['--key', `${key}.private.jwk`]),
      )
    }
    const draw = (build: string) =>
      run(
        'token',
        'issue',
        '--as',
        `${domain}/checkout`,
        '--audience',
        `${domain}/shop`,
        '--build',
        build,
        '--raw',
      )
    const [bad, good] = [await draw('bad.tgz'), await draw('good.tgz')]
    // The store is one process's: it is stopped meanwhile.
    await before[Symbol.asyncDispose]()
    await swapEnvelopes(cwd)
    const node = cleanup.use(await openNode(cwd))
    const ask = (token: string) => fetch(node.said['gateway'] ?? '', { headers: { 'quantum-ip': token } })
    assert.equal((await ask(bad)).status, 200)
    assert.match(upstream.seen[0] ?? '', /reason=ok_shallow.*deferred/)
    // The gateway has looked, and reported; the authority has looked for itself, and revoked.
    const event = await until(async () => {
      const { events } = JSON.parse(await run('events', 'list', '--json')) as {
        events: { number: number; kind: string; action: string }[]
      }
      return events.find(({ kind, action }) => kind === 'attestation_invalid' && action === 'done')
    })
    const refused = await ask(bad)
    assert.equal(refused.status, 401)
    assert.match(await refused.text(), /attestation_invalid|build_revoked/)
    const shown = await until(async () => {
      const told = JSON.parse(await run('events', 'show', String(event.number), '--json')) as {
        proof: { decisions: string[]; passed: number }
        affected: { id: string; reason: string }[]
      }
      return told.affected.length > 0 ? told : undefined
    })
    assert.equal(shown.proof.passed, 1)
    assert.deepEqual(
      shown.affected.map(({ id }) => id),
      shown.proof.decisions,
    )
    assert.match(upstream.seen[0] ?? '', new RegExp(shown.proof.decisions[0] ?? 'none'))
    // While the event is open, everything is checked before it is answered; an operator who is done with it ends that.
    const ratio = async (value: string) =>
      until(async () => {
        const text = await fetch(`${node.said['authority']}/metrics`).then((answer) => answer.text())
        return text.includes(`quantum_ip_sampling_ratio ${value}\n`) ? true : undefined
      })
    await ratio('1')
    assert.equal(
      (JSON.parse(await run('sampling', 'show', '--json')) as { event: number }).event,
      event.number,
    )
    await run('events', 'close', String(event.number))
    await ratio('0')
    await run('sampling', 'raise', '25%', '--reason', 'a look around', '--for', '10m')
    await ratio('0.25')
    await run('sampling', 'lower')
    await ratio('0')
    // The other build is none the worse.
    assert.equal((await ask(good)).status, 200)
    await until(async () =>
      (await ask(good)).status === 200 && /reason=ok[^_]/.test(upstream.seen.at(-1) ?? '') ? true : undefined,
    )
  },
)
