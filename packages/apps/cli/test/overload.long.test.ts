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
import { Worker } from 'node:worker_threads'
import type { Flood, FloodResult } from './support/flood.ts'
import { qip } from './support/qip.ts'

const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const domain = 'spiffe://acme.example/ns/prod/sa'
const skip = process.platform === 'linux' ? false : 'threads share a port on Linux and BSD only'

function configText(upstream: string): string {
  return `trustDomain: spiffe://acme.example
authority: { listen: 127.0.0.1:0 }
admission: { requireAttestation: off, rules: [{ service: ${domain}/*, builder: '**' }] }
services:
  - { id: ${domain}/pay, tier: critical }
  - { id: ${domain}/report, tier: low }
gateway:
  listen: 127.0.0.1:0
  threads: 2
  overload: { delayTarget: 5ms }
  routes:
    - { service: ${domain}/pay, upstream: ${upstream}, match: { host: pay.test } }
    - { service: ${domain}/report, upstream: ${upstream}, match: { host: report.test } }
`
}

async function openUpstream() {
  let unverified = 0
  const server = createServer((request, response) => {
    if (!/status=verified/.test(String(request.headers['quantum-ip-status']))) unverified++
    response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    unverified: () => unverified,
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

async function tokenFor(service: string, cwd: string): Promise<string> {
  const args = ['token', 'issue', '--as', `${domain}/checkout`, '--audience', `${domain}/${service}`, '--raw']
  const { code, stdout, stderr } = await qip(args, { cwd })
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

function run(plan: Flood): Promise<FloodResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./support/flood.ts', import.meta.url), { workerData: plan })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

const share = ({ statuses }: FloodResult, status: string): number =>
  (statuses[status] ?? 0) / Object.values(statuses).reduce((sum, count) => sum + count, 0)

const percentile = (values: readonly number[], at: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(at * values.length)] ?? 0

test(
  'under more load than it can serve, the gateway serves the critical service and sheds the low one, and recovers',
  { skip, timeout: 120_000 },
  async (t) => {
    const cwd = await mkdtemp(path.join(tmpdir(), 'qip-overload-'))
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(() => rm(cwd, { recursive: true, force: true }))
    const upstream = cleanup.use(await openUpstream())
    await writeFile(path.join(cwd, 'quantum-ip.yaml'), configText(upstream.url))
    const node = cleanup.use(await openNode(cwd))
    const port = Number(new URL(node.said['gateway'] ?? '').port)
    const [pay, report] = [await tokenFor('pay', cwd), await tokenFor('report', cwd)]
    const critical = { port, host: 'pay.test', tokens: [pay], connections: 16, pauseMs: 20 }
    // Every fourth request of the flood has no token, or one for another service.
    const tokens = [report, report, '', report, report, pay]
    const low = { port, host: 'report.test', tokens, connections: 800, pauseMs: 0 }
    const calm = await run({ ...critical, durationMs: 1_500 })
    const flooding = run({ ...low, durationMs: 9_000 })
    await new Promise((resolve) => {
      setTimeout(resolve, 2_500)
    })
    const [busy, flood] = await Promise.all([run({ ...critical, durationMs: 5_000 }), flooding])
    const told = (name: string, { statuses, latenciesMs }: FloodResult): void =>
      t.diagnostic(
        `${name}: ${JSON.stringify(statuses)}, p50 ${percentile(latenciesMs, 0.5).toFixed(1)} ms, p99 ${percentile(latenciesMs, 0.99).toFixed(1)} ms`,
      )
    told('critical, calm', calm)
    told('critical, under the flood', busy)
    told('low, the flood', flood)
    assert.ok(share(busy, '200') >= 0.99, JSON.stringify(busy.statuses))
    assert.ok((flood.statuses['503'] ?? 0) > 100, JSON.stringify(flood.statuses))
    assert.deepEqual(Object.keys(flood.statuses).sort(), ['200', '401', '503'])
    assert.deepEqual([flood.bareRefusals, busy.bareRefusals, flood.broken, busy.broken], [0, 0, 0, 0])
    const scraped = await fetch(`${node.said['authority']}/metrics`).then((answer) => answer.text())
    const shed = new RegExp(`requests_shed_total\\{service="${domain}/report",cause="delay"\\} ([1-9]\\d*)`)
    assert.match(scraped, shed)
    // The load is gone: so is the shedding, within seconds.
    let after = await run({ ...low, connections: 4, tokens: [report], pauseMs: 20, durationMs: 1_000 })
    for (let tries = 0; tries < 5 && share(after, '200') < 1; tries++)
      after = await run({ ...low, connections: 4, tokens: [report], pauseMs: 20, durationMs: 1_000 })
    told('low, afterwards', after)
    assert.equal(share(after, '200'), 1)
    assert.equal(upstream.unverified(), 0)
  },
)
