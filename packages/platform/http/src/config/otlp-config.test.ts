import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { parseConfig } from './parse-config.ts'

const source = '/etc/quantum-ip/quantum-ip.yaml'
const telemetry = (text: string) => parseConfig(`telemetry: ${text}`, source).telemetry

test('sends nothing anywhere unless it is written', () => {
  assert.equal(parseConfig('', source).telemetry.otlp, undefined)
})

test('resolves what is sent to a Collector, with its defaults', () => {
  assert.deepEqual(telemetry('{ otlp: {} }').otlp, {
    endpoint: 'http://127.0.0.1:4318',
    headersFile: undefined,
    caFile: undefined,
    protocol: 'protobuf',
    intervalMs: 15_000,
    timeoutMs: 5_000,
    queueMax: 4_096,
    metrics: true,
    logs: true,
    traces: { share: 0.01, incidentShare: 1, perSecondMax: 100 },
  })
  const { otlp } = telemetry(
    '{ otlp: { endpoint: "https://otel.acme.example/otlp/", headersFile: otlp-headers, protocol: json, interval: 1s, traces: { share: 50% } } }',
  )
  assert.equal(otlp?.endpoint, 'https://otel.acme.example/otlp')
  assert.equal(otlp?.headersFile, '/etc/quantum-ip/otlp-headers')
  assert.equal(otlp?.protocol, 'json')
  assert.deepEqual(otlp?.traces, { share: 0.5, incidentShare: 1, perSecondMax: 100 })
})

const invalid = 'QIP_HTTP_CONFIG_INVALID'
for (const [title, text, place, code] of [
  ['an endpoint that is no URL', '{ otlp: { endpoint: collector } }', 'telemetry.otlp.endpoint', invalid],
  [
    'an endpoint with a password',
    '{ otlp: { endpoint: "http://a:b@collector:4318" } }',
    'telemetry.otlp.endpoint',
    invalid,
  ],
  [
    'an endpoint with a query',
    '{ otlp: { endpoint: "https://collector/otlp?key=1" } }',
    'telemetry.otlp.endpoint',
    invalid,
  ],
  ['a protocol that there is not', '{ otlp: { protocol: grpc } }', 'telemetry.otlp.protocol', invalid],
  [
    'metrics more often than once a second',
    '{ otlp: { interval: 100ms } }',
    'telemetry.otlp.interval',
    invalid,
  ],
  [
    'a header instead of a file',
    '{ otlp: { headers: "a: b" } }',
    'telemetry.otlp.headers',
    'QIP_HTTP_CONFIG_UNKNOWN_KEY',
  ],
  ['a budget that the metrics alone are over', '{ series: 10 }', 'telemetry.series', invalid],
] as const) {
  test(`refuses ${title}`, () => {
    assert.throws(
      () => telemetry(text),
      (error) => isQipError(error, code) && error.message.includes(place),
    )
  })
}
