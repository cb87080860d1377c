import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exportObserver, formatMetrics, Metrics, otlpMetrics, type Span, TelemetryOutbox } from './index.ts'

const span = { name: 'quantum_ip.verify' } as Span
const record = {
  kind: 'suppressed',
  id: 'edge-1-x',
  point: 'edge-1',
  reason: 'token_absent',
  cause: 'rate',
  count: 1,
  fromMs: 0,
  toMs: 1,
} as const

function open(limits: { readonly queueMax: number; readonly spansPerSecondMax: number }) {
  const metrics = new Metrics({ metrics: otlpMetrics })
  const at = { ms: 1_000 }
  const clock = { now: () => at.ms }
  const outbox = new TelemetryOutbox({ clock, observer: exportObserver(metrics), ...limits })
  const lost = (signal: string, outcome: string) => {
    const line = `quantum_ip_telemetry_export_total{signal="${signal}",outcome="${outcome}"} `
    return Number(formatMetrics(metrics).split(line)[1]?.split('\n')[0])
  }
  return { outbox, at, lost }
}

test('keeps no more than it has room for, and counts what it drops', () => {
  const { outbox, lost } = open({ queueMax: 3, spansPerSecondMax: 100 })
  for (let n = 0; n < 5; n++) {
    outbox.export(span)
    outbox.record(record)
  }
  assert.deepEqual(outbox.drain(), { spans: [span, span, span], records: [record, record, record] })
  assert.equal(outbox.drain(), undefined)
  assert.equal(lost('traces', 'queue_full'), 2)
  assert.equal(lost('logs', 'queue_full'), 2)
})

test('takes no more spans in a second than it may, whatever callers ask for', () => {
  const { outbox, at, lost } = open({ queueMax: 100, spansPerSecondMax: 2 })
  for (let n = 0; n < 5; n++) outbox.export(span)
  assert.equal(outbox.drain()?.spans.length, 2)
  assert.equal(lost('traces', 'over_rate'), 3)
  at.ms += 1_000
  outbox.export(span)
  assert.equal(outbox.drain()?.spans.length, 1)
})
