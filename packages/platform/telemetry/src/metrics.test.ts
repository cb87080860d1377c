import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import {
  type ConfiguredSets,
  Metrics,
  authorityMetrics,
  enforcementMetrics,
  formatMetrics,
  metricNames,
} from './index.ts'

const sets: ConfiguredSets = {
  service: ['a', 'b'],
  enforcement_point: ['edge-1'],
  region: 'eu-1',
  policy: ['default'],
}

function lines(metrics: Metrics): string[] {
  return formatMetrics(metrics)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

test('counts into the series of the given places only', () => {
  const metrics = new Metrics({ metrics: ['deep_checks_total', 'cache_hits_total'], sets })
  metrics.counter('deep_checks_total').add(1)
  metrics.counter('deep_checks_total').add(1, 2.5)
  assert.deepEqual(lines(metrics), [
    'quantum_ip_deep_checks_total{outcome="passed"} 0',
    'quantum_ip_deep_checks_total{outcome="failed"} 3.5',
    'quantum_ip_deep_checks_total{outcome="unavailable"} 0',
    'quantum_ip_deep_checks_total{outcome="stale"} 0',
    'quantum_ip_deep_checks_total{outcome="skipped"} 0',
    'quantum_ip_deep_checks_total{outcome="deferred"} 0',
    'quantum_ip_deep_checks_total{outcome="dropped"} 0',
    'quantum_ip_cache_hits_total{cache="token"} 0',
    'quantum_ip_cache_hits_total{cache="head"} 0',
    'quantum_ip_cache_hits_total{cache="attestation"} 0',
  ])
})

test('shows a gauge once it is set', () => {
  const metrics = new Metrics({ metrics: ['cache_entries', 'revocation_epoch'] })
  metrics.gauge('cache_entries').set(1, 12)
  assert.deepEqual(lines(metrics), ['quantum_ip_cache_entries{cache="head"} 12'])
})

test('counts values up to and including a bound into its bucket', () => {
  const metrics = new Metrics({ metrics: ['issuance_batch_size'] })
  const sizes = metrics.histogram('issuance_batch_size')
  for (const size of [1, 2, 3, 4, 5000]) sizes.observe(0, size)
  const counts = lines(metrics).map((line) => Number(line.split(' ')[1]))
  assert.deepEqual(counts, [1, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5010, 5])
})

test('does not let a value that is no number spoil a sum', () => {
  const metrics = new Metrics({ metrics: ['attestation_age_seconds'] })
  const ages = metrics.histogram('attestation_age_seconds')
  for (const age of [Number.NaN, -5, 30]) ages.observe(0, age)
  assert.ok(lines(metrics).includes('quantum_ip_attestation_age_seconds_sum 30'))
  assert.ok(lines(metrics).includes('quantum_ip_attestation_age_seconds_count 3'))
})

test('finds places by value, and others under `other`', () => {
  const metrics = new Metrics({ metrics: ['verifications_total'], sets })
  const counter = metrics.counter('verifications_total')
  const place = counter.places(0)
  assert.deepEqual([place('a'), place('b'), place('c'), place('')], [0, 1, 2, 2])
  assert.throws(() => counter.places(1)('edge-2'), TypeError)
  counter.add(counter.series([place('c'), 0, 0, 0]))
  assert.ok(
    lines(metrics).includes(
      'quantum_ip_verifications_total{service="other",enforcement_point="edge-1",region="eu-1",status="verified",reason="ok"} 1',
    ),
  )
})

test('refuses places that a metric does not have', () => {
  const counter = new Metrics({ metrics: ['crypto_cpu_seconds_total'] }).counter('crypto_cpu_seconds_total')
  for (const places of [[], [0], [0, 0, 0], [8, 0], [-1, 0], [0, 9], [0.5, 0]]) {
    assert.throws(() => counter.series(places), TypeError, places.join())
  }
})

test('refuses a metric that is not registered', () => {
  const metrics = new Metrics({ metrics: ['cache_entries'] })
  assert.throws(() => metrics.counter('cache_hits_total'), TypeError)
})

test('registers everything of a role within the budget', () => {
  const services = Array.from({ length: 30 }, (_, n) => `spiffe://acme.example/ns/prod/sa/s${n}`)
  const many = { ...sets, service: services, policy: services.slice(0, 10) }
  assert.doesNotThrow(() => new Metrics({ metrics: enforcementMetrics, sets: many }))
  assert.doesNotThrow(() => new Metrics({ metrics: authorityMetrics, sets }))
  assert.doesNotThrow(() => new Metrics({ metrics: metricNames, sets }))
})

test('says of each declared service who owns it in one series, and refuses a service twice', () => {
  const row = { service: 'a', owner: 'team "shop"', tier: 'critical', stage: 'enforced' }
  const info = [row, { ...row, service: 'b', owner: 'other' }, { ...row, service: 'c', owner: '' }]
  const metrics = new Metrics({ metrics: ['service_info'], sets: { service_info: info } })
  info.forEach((_, place) => metrics.gauge('service_info').set(place, 1))
  assert.deepEqual(lines(metrics), [
    String.raw`quantum_ip_service_info{service="a",owner="team \"shop\"",tier="critical",stage="enforced"} 1`,
    'quantum_ip_service_info{service="b",owner="other",tier="critical",stage="enforced"} 1',
    'quantum_ip_service_info{service="c",owner="",tier="critical",stage="enforced"} 1',
  ])
  for (const wrong of [[row, row], [{ ...row, owner: 'x'.repeat(513) }]]) {
    assert.throws(
      () => new Metrics({ metrics: ['service_info'], sets: { service_info: wrong } }),
      (error) => isQipError(error, 'QIP_TELEMETRY_LABEL_MALFORMED'),
    )
  }
})

test('never shows more series than it reserved', () => {
  const metrics = new Metrics({ metrics: ['decisions_total'], sets: { ...sets, service: [] } })
  const decisions = metrics.counter('decisions_total')
  for (let n = 0; n < 200; n++) decisions.add(n % 100)
  const shown = lines(metrics)
  assert.equal(shown.length, 23)
  assert.equal(
    shown.at(-1),
    'quantum_ip_decisions_total{service="other",enforcement_point="other",region="other",status="other",reason="other",action="other",mode="other",policy="other"} 156',
  )
  assert.ok(shown.slice(0, -1).every((line) => line.endsWith(' 2')))
})

test('refuses configured sets that are none', () => {
  const wrong: ConfiguredSets[] = [
    { service: ['a', 'a'] },
    { service: ['other'] },
    { policy: ['x'.repeat(513)] },
    { enforcement_point: ['\ud800'] },
  ]
  for (const set of wrong) {
    assert.throws(
      () => new Metrics({ metrics: metricNames, sets: set }),
      (error) => isQipError(error, 'QIP_TELEMETRY_LABEL_MALFORMED'),
    )
  }
})
