import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { needComponent, openComponent, runComponent } from '../../../../scripts/real-components.ts'
import { qip } from './support/qip.ts'

// A gateway from its configuration, with two policies that ask OPA: a real server, and Rego that a real `opa` compiled.
const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const domain = 'spiffe://acme.example/ns/prod/sa'
const opa = await needComponent('opa')
const tar = await needComponent('tar')

const rego = `package quantum_ip

default decision := "allow"

decision := {"action": "reject", "rule": "writes"} if input["request.method"] == "POST"
`

const policy = (engine: string): string => `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: by-${engine}, version: 1 }
spec:
  mode: enforce
  engine: { name: ${engine} }
  default: { verified: reject, missing: reject, invalid: reject, unverifiable: reject }
`

const configText = (upstream: string, opaUrl: string): string => `trustDomain: spiffe://acme.example
authority: { listen: 127.0.0.1:0 }
admission: { requireAttestation: off, rules: [{ service: ${domain}/*, builder: '**' }] }
services: [{ id: ${domain}/shop }, { id: ${domain}/cart }]
policies:
  files: [by-server.yaml, by-wasm.yaml]
  engines:
    - { name: server, opa: { server: { url: '${opaUrl}', timeout: 2s } } }
    - { name: wasm, opa: { wasm: policy.wasm, facts: [request.method] } }
gateway:
  listen: 127.0.0.1:0
  detail: internal
  routes:
    - { match: { path: /shop }, service: ${domain}/shop, upstream: ${upstream}, policy: by-server }
    - { match: { path: /cart }, service: ${domain}/cart, upstream: ${upstream}, policy: by-wasm }
`

test(
  'a gateway asks a real OPA, and Rego compiled by it, and rejects while the server is away',
  { skip: opa.skip || tar.skip, timeout: 90_000 },
  async () => {
    await using cleanup = new AsyncDisposableStack()
    const cwd = await mkdtemp(path.join(tmpdir(), 'qip-opa-'))
    cleanup.defer(() => rm(cwd, { recursive: true, force: true }))
    await writeFile(path.join(cwd, 'policy.rego'), rego)
    const bundle = path.join(cwd, 'bundle.tar.gz')
    const built = await runComponent(opa, [
      'build',
      '-t',
      'wasm',
      '-e',
      'quantum_ip/decision',
      '-o',
      bundle,
      path.join(cwd, 'policy.rego'),
    ])
    assert.equal(built.status, 0, built.stderr)
    assert.equal((await runComponent(tar, ['-xzf', bundle, '-C', cwd, '/policy.wasm'])).status, 0)
    const upstream = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
    const probe = createServer().listen(0, '127.0.0.1')
    await Promise.all([once(upstream, 'listening'), once(probe, 'listening')])
    cleanup.defer(() => {
      upstream.closeAllConnections()
      upstream.close()
    })
    const opaPort = (probe.address() as AddressInfo).port
    probe.close()
    const opaUrl = `http://127.0.0.1:${opaPort}`
    for (const engine of ['server', 'wasm'])
      await writeFile(path.join(cwd, `by-${engine}.yaml`), policy(engine))
    const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    await writeFile(path.join(cwd, 'quantum-ip.yaml'), configText(upstreamUrl, opaUrl))
    const server = await openComponent(
      opa,
      [
        'run',
        '--server',
        '--addr',
        `127.0.0.1:${opaPort}`,
        '--log-level',
        'error',
        '--disable-telemetry',
        path.join(cwd, 'policy.rego'),
      ],
      {
        isReady: () =>
          fetch(`${opaUrl}/health`).then(
            ({ ok }) => ok,
            () => false,
          ),
      },
    )
    cleanup.use(server)
    const child = spawn(process.execPath, [launcher, 'up', '--json'], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    cleanup.defer(async () => {
      if (child.exitCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    })
    const [line] = (await once(createInterface({ input: child.stdout }), 'line', {
      signal: AbortSignal.timeout(30_000),
    })) as [string]
    const said = JSON.parse(line) as { readonly gateway: string; readonly authority: string }
    const tokenFor = async (service: string): Promise<string> => {
      const { code, stdout, stderr } = await qip(
        ['token', 'issue', '--as', `${domain}/checkout`, '--audience', `${domain}/${service}`, '--raw'],
        { cwd },
      )
      assert.equal(code, 0, stderr)
      return stdout.trim()
    }
    const ask = async (service: string, method: string): Promise<string> => {
      const token = await tokenFor(service)

      const answer = await fetch(`${said.gateway}/${service}`, {
        signal: AbortSignal.timeout(5000),
        method,
        headers: { 'quantum-ip': token },
      })
      const { code = 'ok' } = (await answer.json().catch(() => ({}))) as { readonly code?: string }
      return `${answer.status} ${code}`
    }
    assert.equal((await ask('shop', 'GET')).slice(0, 3), '200')
    assert.equal((await ask('shop', 'POST')).slice(0, 3), '403')
    assert.equal((await ask('cart', 'GET')).slice(0, 3), '200')
    assert.equal((await ask('cart', 'POST')).slice(0, 3), '403')
    server.signal('SIGKILL')
    await server[Symbol.asyncDispose]()
    assert.equal((await ask('shop', 'GET')).slice(0, 3), '403')
    assert.equal((await ask('cart', 'GET')).slice(0, 3), '200')
    const metrics = await fetch(`${said.authority}/metrics`).then((answer) => answer.text())
    assert.match(metrics, /quantum_ip_policy_engine_answers_total\{outcome="decided"\} 5\n/)
    assert.match(metrics, /quantum_ip_policy_engine_answers_total\{outcome="unreachable"\} 1\n/)
  },
)
