import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { MetricFamily, Span } from '@quantum-ip/telemetry'
import { type Otlp, openOtlp, type OtlpOptions } from '../src/index.ts'

// A Collector is stood in for where one must fail in a certain way; telemetry.real.test.ts of `quantum-ip` has a real one.

interface StandIn extends AsyncDisposable {
  readonly url: string
  /** Bodies by path. */
  readonly got: readonly {
    readonly path: string
    readonly headers: IncomingMessage['headers']
    readonly text: string
  }[]
}

async function standIn(answer: (response: ServerResponse) => void): Promise<StandIn> {
  const got: { path: string; headers: IncomingMessage['headers']; text: string }[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      got.push({ path: request.url ?? '', headers: request.headers, text: Buffer.concat(chunks).toString() })
      answer(response)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function takes(response: ServerResponse): void {
  response.setHeader('content-type', 'application/json')
  response.end('{}')
}

function span(n: number): Span {
  return {
    name: 'quantum_ip.verify',
    context: { traceId: 'a'.repeat(31) + (n % 10), spanId: 'b'.repeat(16), isSampled: true, isRandom: true },
    parentSpanId: n === 0 ? null : 'c'.repeat(16),
    kind: 'internal',
    startMs: 1_800_000_000_000.25,
    endMs: 1_800_000_000_001.5,
    attributes: { 'quantum_ip.status': 'verified', 'quantum_ip.fail_open': ['monitor'] },
    status: 'unset',
  }
}

const families: readonly MetricFamily[] = [
  {
    name: 'deep_checks_total',
    help: 'Deep checks.',
    type: 'counter',
    points: [{ labels: [['outcome', 'passed']], series: 0, value: 3 }],
  },
  {
    name: 'issuance_batch_size',
    help: 'Sizes.',
    type: 'histogram',
    buckets: [1, 2],
    points: [{ labels: [], series: 0, counts: [1, 0, 2], sum: 12 }],
  },
]

type Counts = Record<string, number>

async function open(
  endpoint: string,
  more: Partial<OtlpOptions> = {},
): Promise<Otlp & { readonly counts: Counts }> {
  const counts: Counts = {}
  const otlp = await openOtlp({
    endpoint,
    protocol: 'json',
    timeoutMs: 300,
    queueMax: 10,
    sender: { name: 'shop', namespace: 'acme', instance: 'shop-1', version: '1', region: 'eu' },
    observer: {
      count(signal, outcome, items = 1) {
        counts[`${signal} ${outcome}`] = (counts[`${signal} ${outcome}`] ?? 0) + items
      },
    },
    ...more,
  })
  return { ...otlp, counts }
}

const entry = { event: 'quantum_ip.event', timeMs: 1_800_000_000_000, severity: 'warn', body: 'x' } as const

test('sends what waits when it is closed, with who sends it and the configured fields', async () => {
  await using collector = await standIn(takes)
  const otlp = await open(collector.url, {
    headers: { authorization: 'Bearer of-the-file' },
    metrics: { intervalMs: 60_000, read: () => families },
  })
  otlp.spans([span(0), span(1)])
  otlp.logs([entry])
  await otlp.close()
  assert.deepEqual(otlp.counts, { 'traces sent': 2, 'logs sent': 1, 'metrics sent': 1 })
  assert.deepEqual(collector.got.map(({ path }) => path).sort(), ['/v1/logs', '/v1/metrics', '/v1/traces'])
  for (const { headers, text } of collector.got) {
    assert.equal(headers['authorization'], 'Bearer of-the-file')
    for (const [key, value] of [
      ['service.name', 'shop'],
      ['service.instance.id', 'shop-1'],
      ['quantum_ip.region', 'eu'],
    ]) {
      assert.ok(text.includes(`{"key":"${key}","value":{"stringValue":"${value}"}}`), text)
    }
  }
  const sent = Object.fromEntries(collector.got.map(({ path, text }) => [path, JSON.parse(text) as unknown]))
  const traces = JSON.stringify(sent['/v1/traces'])
  assert.match(traces, /"startTimeUnixNano":"1800000000000250000"/)
  assert.match(traces, /"endTimeUnixNano":"1800000000001500000"/)
  assert.match(traces, /"parentSpanId":"c{16}"/)
  const metrics = JSON.stringify(sent['/v1/metrics'])
  assert.match(metrics, /"name":"quantum_ip_deep_checks_total"/)
  assert.match(metrics, /"isMonotonic":true/)
  assert.match(metrics, /"explicitBounds":\[1,2\]/)
  assert.match(metrics, /"count":"?3"?,"sum":12/)
})

for (const [title, answer] of [
  ['never answers', () => undefined],
  ['answers 400', (response: ServerResponse) => response.writeHead(400).end()],
  ['cuts every connection', (response: ServerResponse) => response.destroy()],
] as const) {
  test(`a Collector that ${title} holds nobody up, and what it did not take is counted`, async () => {
    await using collector = await standIn(answer)
    const otlp = await open(collector.url)
    otlp.spans(Array.from({ length: 25 }, (_, n) => span(n)))
    otlp.logs(Array.from({ length: 12 }, () => entry))
    const { counts } = otlp
    assert.deepEqual({ ...counts }, { 'traces queue_full': 15, 'logs queue_full': 2 })
    await otlp.close()
    assert.equal(counts['traces sent'], undefined)
    assert.equal(counts['logs sent'], undefined)
  })
}

test('a Collector that is not there counts as one that takes nothing', async () => {
  const gone = await standIn(takes)
  await gone[Symbol.asyncDispose]()
  const otlp = await open(gone.url, { metrics: { intervalMs: 60_000, read: () => families } })
  otlp.spans([span(0)])
  await otlp.close()
  otlp.spans([span(0)])
  otlp.logs([entry])
  assert.equal(otlp.counts['traces sent'], undefined)
})

test('has room again for what a Collector took', async () => {
  await using collector = await standIn(takes)
  const otlp = await open(collector.url, { protocol: 'protobuf' })
  otlp.spans(Array.from({ length: 10 }, (_, n) => span(n)))
  while (otlp.counts['traces sent'] !== 10) await new Promise((resolve) => setTimeout(resolve, 20))
  otlp.spans(Array.from({ length: 10 }, (_, n) => span(n)))
  await otlp.close()
  assert.deepEqual(otlp.counts, { 'traces sent': 20 })
})
