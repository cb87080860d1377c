import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { needComponent, openComponent } from '../../../../scripts/real-components.ts'
import { freePort, openCollector, type RealCollector, until } from './support/collector.ts'
import { openInstrumentedService } from './support/instrumented-service.ts'
import { qip } from './support/qip.ts'

// Jaeger is a distribution of the OpenTelemetry Collector, with a trace store.
const jaeger = await needComponent('jaeger')
const prometheus = await needComponent('prometheus')
const { skip } = jaeger

const launcher = resolve(import.meta.dirname, '../bin/qip.js')
const services = 'spiffe://acme.example/ns/prod/sa'
const openMetrics = 'application/openmetrics-text;version=1.0.0'

interface Scene extends AsyncDisposable {
  readonly collector: RealCollector
  readonly gateway: string
  readonly authority: string
  /** Runs `qip` against it. */
  qip(...args: readonly string[]): Promise<string>
  /** Stops Quantum IP, so that what waits is sent. */
  stop(): Promise<void>
}

/** Quantum IP in a process of its own, with two gateway threads, before a service that has OpenTelemetry. */
async function openScene(otlp: string): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'qip-telemetry-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const collector = opened.use(await openCollector(jaeger))
  const shop = opened.use(await openInstrumentedService('shop', collector.endpoint))
  await writeFile(join(folder, 'otlp-headers'), 'x-scope: test\n', { mode: 0o600 })
  await writeFile(
    join(folder, 'quantum-ip.yaml'),
    `trustDomain: spiffe://acme.example
authority: { listen: 127.0.0.1:0 }
admission: { rules: [{ service: ${services}/*, builder: '**' }] }
services: [{ id: ${services}/shop, tier: critical, stage: enforced }]
telemetry:
  otlp: { endpoint: '${collector.endpoint}', headersFile: otlp-headers, interval: 1s, ${otlp} }
gateway:
  listen: 127.0.0.1:0
  threads: 2
  detail: internal
  routes: [{ service: ${services}/shop, upstream: '${shop.url}' }]
`,
  )
  const child = spawn(process.execPath, [launcher, 'up', '--json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let isStopped = false
  const stop = async (): Promise<void> => {
    if (isStopped) return
    isStopped = true
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  opened.defer(stop)
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('it ended before it was up')))
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [
    string,
  ]
  ended.catch(() => undefined)
  const said = JSON.parse(line) as Record<'gateway' | 'authority', string>
  const closing = opened.move()
  return {
    collector,
    ...said,
    async qip(...args) {
      const { code, stdout, stderr } = await qip(args, { cwd: folder })
      assert.equal(code, 0, stderr)
      return stdout.trim()
    },
    stop,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

function tokenOf(scene: Scene): Promise<string> {
  return scene.qip(
    'token',
    'issue',
    '--as',
    `${services}/checkout`,
    '--audience',
    `${services}/shop`,
    '--raw',
  )
}

for (const protocol of ['protobuf', 'json']) {
  test(
    `a request is followed from the gateway into the service in one trace, with its verdict (${protocol})`,
    { skip },
    async () => {
      await using scene = await openScene(`protocol: ${protocol}, traces: { share: 100% }`)
      const token = await tokenOf(scene)
      const response = await fetch(`${scene.gateway}/orders/1`, { headers: { 'quantum-ip': token } })
      const answer = (await response.json()) as { traceId: string; found: string }
      assert.match(answer.found, /status=verified/)
      const spans = await scene.collector.trace(answer.traceId, 2)
      const verify = spans.find(({ name }) => name === 'quantum_ip.verify')
      const served = spans.find(({ service }) => service === 'shop')
      assert.ok(verify && served)
      assert.equal(verify.service, 'quantum-ip')
      assert.equal(served.parentSpanId, verify.spanId)
      assert.equal(verify.parentSpanId, undefined)
      assert.equal(verify.tags['quantum_ip.status'], 'verified')
      assert.equal(verify.tags['quantum_ip.reason'], 'ok')
      assert.equal(verify.tags['quantum_ip.subject'], `${services}/checkout`)
      assert.equal(verify.tags['quantum_ip.service'], `${services}/shop`)
      assert.equal(verify.tags['quantum_ip.policy.version'], 1)
      assert.ok(!JSON.stringify(spans).includes(token))
    },
  )
}

test(
  'a trace of the caller is continued: sampled where it says so, and not where it does not',
  { skip },
  async () => {
    await using scene = await openScene('traces: { share: 100% }')
    const token = await tokenOf(scene)
    const sampled = '4bf92f3577b34da6a3ce929d0e0e4736'
    const other = '0af7651916cd43dd8448eb211c80319c'
    for (const [traceId, flags] of [
      [other, '00'],
      [sampled, '01'],
    ]) {
      const traceparent = `00-${traceId}-00f067aa0ba902b7-${flags}`
      const response = await fetch(scene.gateway, {
        headers: { 'quantum-ip': token, traceparent, tracestate: 'vendor=1' },
      })
      assert.equal(((await response.json()) as { traceId: string }).traceId, traceId)
    }
    const spans = await scene.collector.trace(sampled, 2)
    const verify = spans.find(({ name }) => name === 'quantum_ip.verify')
    assert.equal(verify?.parentSpanId, '00f067aa0ba902b7')
    await scene.stop()
    assert.deepEqual(await scene.collector.search('quantum-ip', { 'quantum_ip.status': 'unverifiable' }), [])
    await assert.rejects(fetchTrace(scene, other))
  },
)

async function fetchTrace(scene: Scene, traceId: string): Promise<unknown> {
  const timeout = AbortSignal.timeout(1_500)
  return Promise.race([
    scene.collector.trace(traceId, 1),
    new Promise((_, reject) => timeout.addEventListener('abort', () => reject(new Error('no such trace')))),
  ])
}

test(
  'metrics, decision records, events and acts reach the Collector, also those of the last moment',
  { skip },
  async () => {
    await using scene = await openScene('traces: { share: 0% }')
    assert.equal((await fetch(`${scene.gateway}/secret-path`)).status, 401)
    await scene.qip('revoke', 'identity', `${services}/gone`, '--reason', 'left')
    await scene.stop()
    const { written } = scene.collector
    for (const expected of [
      '-> Name: quantum_ip_verifications_total',
      '-> reason: Str(token_absent)',
      '-> Name: quantum_ip_verification_duration_seconds',
      '-> Name: quantum_ip_key_state',
      '-> service.name: Str(quantum-ip)',
      '-> service.namespace: Str(spiffe://acme.example)',
      '-> quantum_ip.region: Str(local)',
      'EventName: quantum_ip.decision',
      '-> quantum_ip.reason: Str(token_absent)',
      'EventName: quantum_ip.operator_act',
    ]) {
      assert.ok(written.includes(expected), `${expected}\n${written.slice(-4_000)}`)
    }
    assert.ok(!written.includes('secret-path'))
  },
)

test('while an incident is open, what is refused is traced, where nothing was before', { skip }, async () => {
  await using scene = await openScene('traces: { share: 0% }')
  const found = () => scene.collector.search('quantum-ip', { 'quantum_ip.reason': 'token_absent' })
  for (let n = 0; n < 20; n++) await fetch(scene.gateway)
  await scene.qip('incident', 'open', 'tokens are missing', '--severity', 'major')
  const traced = await until('a trace of a refused request', async () => {
    await fetch(scene.gateway)
    const spans = await found()
    return spans.length > 0 ? spans : undefined
  })
  assert.equal(traced[0]?.tags['quantum_ip.status'], 'missing')
  // The 20 before are not among them: every trace that was found began after the incident did.
  const status = JSON.parse(
    await scene.qip('decisions', '--reason', 'token_absent', '--limit', '100', '--json'),
  ) as {
    readonly decisions: readonly { readonly traceId: string; readonly timeMs: number }[]
  }
  assert.ok(status.decisions.length > 20)
  const known = new Set((await found()).map(({ traceId }) => traceId))
  const oldest = status.decisions.toSorted((a, b) => a.timeMs - b.timeMs).slice(0, 20)
  assert.ok(oldest.every(({ traceId }) => !known.has(traceId)))
})

test(
  'an exemplar leads from a bucket to its trace in the store, also through a real Prometheus',
  { skip: skip || prometheus.skip },
  async () => {
    await using scene = await openScene('traces: { share: 100% }')
    const token = await tokenOf(scene)
    await fetch(scene.gateway, { headers: { 'quantum-ip': token } })
    const shown = await until('an exemplar', async () => {
      const scraped = await fetch(`${scene.authority}/metrics`, { headers: { accept: openMetrics } })
      return /verification_duration_seconds_bucket\{.*\} 1 # \{trace_id="(\w+)"/.exec(
        await scraped.text(),
      )?.[1]
    })
    assert.ok((await scene.collector.trace(shown, 1)).length > 0)
    await using scraper = await openScraper(new URL(scene.authority).host)
    const traceIds = await until('an exemplar in Prometheus', () =>
      scraper.exemplars('quantum_ip_verification_duration_seconds_bucket'),
    )
    assert.ok(traceIds.includes(shown))
  },
)

interface Scraper extends AsyncDisposable {
  /** Trace IDs of the exemplars of a metric, once there are any. */
  exemplars(query: string): Promise<readonly string[] | undefined>
}

async function openScraper(target: string): Promise<Scraper> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-prometheus-'))
  const file = join(folder, 'prometheus.yml')
  await writeFile(
    file,
    `global: { scrape_interval: 1s }
scrape_configs: [{ job_name: quantum-ip, static_configs: [{ targets: ['${target}'] }] }]
`,
  )
  const url = `http://127.0.0.1:${await freePort()}`
  const args = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${new URL(url).host}`,
    '--enable-feature=exemplar-storage',
  ]
  const running = await openComponent(prometheus, args, {
    isReady: async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true,
  })
  return {
    async exemplars(query) {
      const start = Date.now() / 1_000 - 600
      const parameters = new URLSearchParams({ query, start: `${start}`, end: `${start + 1_200}` })
      const { data } = (await (
        await fetch(`${url}/api/v1/query_exemplars?${parameters.toString()}`)
      ).json()) as {
        data: readonly { exemplars: readonly { labels: { trace_id: string } }[] }[]
      }
      const found = data.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id))
      return found.length > 0 ? found : undefined
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
