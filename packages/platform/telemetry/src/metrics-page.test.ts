import assert from 'node:assert/strict'
import { test } from 'node:test'
import { continueTrace } from './trace-context.ts'
import { Exemplars, Metrics, metricsPage, type Span } from './index.ts'

const prometheus =
  'application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'

const service = 'spiffe://acme.example/ns/prod/sa/shop'

function open(): { readonly metrics: Metrics; readonly exemplars: Exemplars } {
  const metrics = new Metrics({
    metrics: ['verifications_total', 'verification_duration_seconds'],
    sets: { service: [service], enforcement_point: ['edge'], region: 'eu' },
  })
  return { metrics, exemplars: new Exemplars(metrics, 'edge') }
}

function spanOf(isSampled: boolean, durationMs = 1.5): Span {
  const random = { bytes: (size: number) => new Uint8Array(size).fill(0x18) }
  return {
    name: 'quantum_ip.verify',
    ...continueTrace(undefined, { random, isSampled }),
    kind: 'internal',
    startMs: 1_000,
    endMs: 1_800_000_000_250,
    attributes: {},
    status: 'unset',
    measured: { service, reason: 'token_expired', path: 'cached', durationMs },
  }
}

for (const [title, accept, isOpen] of [
  ['Prometheus', prometheus, true],
  ['who asks for OpenMetrics alone', 'application/openmetrics-text', true],
  ['who says nothing', undefined, false],
  ['a browser', 'text/html,*/*;q=0.8', false],
  ['who would rather have plain text', 'application/openmetrics-text;q=0.4,text/plain;q=0.5', false],
  ['who refuses OpenMetrics', 'application/openmetrics-text;q=0', false],
] as const) {
  test(`gives ${title} ${isOpen ? 'OpenMetrics' : 'plain text'}`, () => {
    const { mediaType, text } = metricsPage(open(), accept)
    assert.equal(mediaType.startsWith('application/openmetrics-text; version=1.0.0'), isOpen)
    assert.equal(text.endsWith('# EOF\n'), isOpen)
  })
}

test('shows the trace of a sampled span at the bucket and the series that it was counted in', () => {
  const source = open()
  source.metrics.histogram('verification_duration_seconds').observe(1, 0.0015)
  source.exemplars.take(spanOf(true))
  const lines = metricsPage(source, prometheus).text.split('\n')
  const shown = lines.filter((line) => line.includes(' # {'))
  const link = `# {trace_id="${'18'.repeat(16)}",span_id="${'18'.repeat(8)}"}`
  assert.deepEqual(shown, [
    `quantum_ip_verifications_total{service="${service}",enforcement_point="edge",region="eu",status="invalid",reason="token_expired"} 0 ${link} 1 1800000000.250`,
    `quantum_ip_verification_duration_seconds_bucket{enforcement_point="edge",path="cached",le="0.002"} 1 ${link} 0.0015 1800000000.250`,
  ])
  assert.ok(lines.includes('# TYPE quantum_ip_verifications counter'))
  assert.ok(lines.some((line) => line.includes('le="1.0"')))
  assert.ok(!metricsPage(source, undefined).text.includes('trace_id'))
})

test('shows no trace that is not sampled, and none for what was not measured', () => {
  const source = open()
  source.exemplars.take(spanOf(false))
  const { measured: _, ...rest } = spanOf(true)
  source.exemplars.take(rest)
  assert.ok(!metricsPage(source, prometheus).text.includes('trace_id'))
})

test('keeps the newest trace of each bucket', () => {
  const source = open()
  source.exemplars.take(spanOf(true, 1.5))
  source.exemplars.take(spanOf(true, 1.9))
  source.exemplars.take(spanOf(true, 9_000))
  const shown = metricsPage(source, prometheus).text.match(/le="[^"]+"\} 0 # \{[^}]*\} \S+/g)
  assert.deepEqual(
    shown?.map((text) => text.replaceAll(/ 0 # \{[^}]*\}/g, '')),
    ['le="0.002"} 0.0019', 'le="+Inf"} 9'],
  )
})
