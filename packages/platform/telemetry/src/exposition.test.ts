import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Metrics, formatMetrics, metricNames, metricsMediaType } from './index.ts'

test('writes help, type, labels, buckets, sum and count as Prometheus reads them', () => {
  const metrics = new Metrics({
    metrics: ['verification_duration_seconds', 'head_fetches_total', 'trust_snapshot_age_seconds'],
    sets: { enforcement_point: ['edge "1"\\\n'] },
  })
  metrics.histogram('verification_duration_seconds').observe(0, 0.000012)
  metrics.histogram('verification_duration_seconds').observe(0, 3)
  metrics.counter('head_fetches_total').add(4)
  metrics.gauge('trust_snapshot_age_seconds').set(0, 1.5)
  const point = String.raw`enforcement_point="edge \"1\"\\\n"`
  const cold = (le: string, count: number): string =>
    `quantum_ip_verification_duration_seconds_bucket{${point},path="cold",le="${le}"} ${count}`
  const text = formatMetrics(metrics)
  assert.ok(
    text.startsWith(
      [
        '# HELP quantum_ip_verification_duration_seconds Time from a request to its verdict.',
        '# TYPE quantum_ip_verification_duration_seconds histogram',
        cold('0.000002', 0),
        cold('0.000005', 0),
        cold('0.00001', 0),
        cold('0.00002', 1),
        cold('0.00005', 1),
      ].join('\n'),
    ),
    text,
  )
  assert.ok(
    text.includes(
      [
        cold('1', 1),
        cold('+Inf', 2),
        `quantum_ip_verification_duration_seconds_sum{${point},path="cold"} 3.000012`,
        `quantum_ip_verification_duration_seconds_count{${point},path="cold"} 2`,
        '',
      ].join('\n'),
    ),
    text,
  )
  assert.ok(
    text.endsWith(
      [
        '# HELP quantum_ip_head_fetches_total Heads that were asked for, by outcome.',
        '# TYPE quantum_ip_head_fetches_total counter',
        'quantum_ip_head_fetches_total{outcome="found"} 0',
        'quantum_ip_head_fetches_total{outcome="absent"} 0',
        'quantum_ip_head_fetches_total{outcome="unavailable"} 0',
        'quantum_ip_head_fetches_total{outcome="refused"} 0',
        'quantum_ip_head_fetches_total{outcome="shed"} 1',
        '# HELP quantum_ip_trust_snapshot_age_seconds Age of the signed state that verifications rely on.',
        '# TYPE quantum_ip_trust_snapshot_age_seconds gauge',
        'quantum_ip_trust_snapshot_age_seconds 1.5',
        '',
      ].join('\n'),
    ),
    text,
  )
  assert.match(metricsMediaType, /version=0\.0\.4/)
})

test('adds up the metrics of several threads', () => {
  const options = {
    metrics: [
      'deep_checks_total',
      'decisions_total',
      'cache_entries',
      'revocation_epoch',
      'issuance_batch_size',
    ],
    sets: { enforcement_point: ['edge-1'], policy: ['default'] },
  } as const
  const [first, second] = [new Metrics(options), new Metrics(options)]
  for (const [metrics, share] of [
    [first, 1],
    [second, 10],
  ] as const) {
    metrics.counter('deep_checks_total').add(0, share)
    metrics.counter('decisions_total').add(3, share)
    metrics.counter('decisions_total').add(share === 1 ? 4 : 5, share)
    metrics.gauge('cache_entries').set(0, share)
    metrics.histogram('issuance_batch_size').observe(0, share)
  }
  second.gauge('revocation_epoch').set(0, 7)
  const text = formatMetrics(first, [second.cells])
  for (const line of [
    'deep_checks_total{outcome="passed"} 11',
    'cache_entries{cache="token"} 11',
    'revocation_epoch 7',
    'issuance_batch_size_sum 11',
    'issuance_batch_size_count 2',
  ]) {
    assert.ok(text.includes(`quantum_ip_${line}\n`), line)
  }
  const decisions = text.split('\n').filter((line) => line.startsWith('quantum_ip_decisions_total'))
  assert.deepEqual(
    decisions.map((line) => Number(line.split(' ').at(-1))),
    [11, 1, 10],
  )
})

test('refuses to add up metrics of another layout', () => {
  const metrics = new Metrics({ metrics: ['cache_entries'] })
  assert.throws(() => formatMetrics(metrics, [new Float64Array(1)]), TypeError)
})

/** Reads the text format strictly: name, labels with their escapes, value. */
function readSample(line: string): { name: string; labels: Record<string, string>; value: number } {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
  assert.ok(match, line)
  const [, name = '', set = '', value = ''] = match
  const labels: Record<string, string> = {}
  let rest = set
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/.exec(rest)
    assert.ok(label, rest)
    labels[label[1]!] = label[2]!.replaceAll(/\\(.)/g, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    )
    rest = rest.slice(label[0].length)
  }
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
  assert.ok(!Number.isNaN(number), line)
  return { name, labels, value: number }
}

test('gives each series once, under a declared family, with any label values', () => {
  const value = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text !== 'other')
  const values = fc.uniqueArray(value, { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(values, values, fc.array(fc.nat(), { maxLength: 20 }), (service, policy, adds) => {
      const metrics = new Metrics({
        metrics: metricNames,
        sets: { service, policy, enforcement_point: ['e'] },
      })
      const decisions = metrics.counter('decisions_total')
      for (const add of adds) decisions.add(add % 500, add)
      const families = new Map<string, string>()
      const seen = new Set<string>()
      const services = new Set<string>()
      for (const line of formatMetrics(metrics).split('\n').slice(0, -1)) {
        const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line)
        if (type !== null) families.set(type[1]!, type[2]!)
        if (line.startsWith('#')) continue
        const sample = readSample(line)
        const family = sample.name.replace(/_(?:bucket|sum|count)$/, '')
        assert.ok(families.has(sample.name) || families.get(family) === 'histogram', line)
        const key = JSON.stringify([sample.name, sample.labels])
        assert.ok(!seen.has(key), line)
        seen.add(key)
        if (sample.labels['service'] !== undefined) services.add(sample.labels['service'])
      }
      assert.ok(service.every((each) => services.has(each)))
    }),
    { numRuns: 30 },
  )
})
