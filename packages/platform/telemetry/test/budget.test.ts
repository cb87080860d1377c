import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import {
  authorityMetrics,
  type ConfiguredSets,
  enforcementMetrics,
  flowMetrics,
  formatMetrics,
  formatOpenMetrics,
  Metrics,
  metricNames,
  type MetricsOptions,
  readMetrics,
  replayStoreMetrics,
  seriesMaxDefault,
} from '../src/index.ts'

// The most hostile configuration that is taken: each service with a policy of its own, names as long as they may be.
function sets(services: number, policies = services): ConfiguredSets {
  const service = Array.from({ length: services }, (_, n) => `spiffe://acme.example/ns/prod/sa/s${n}`)
  return {
    service,
    enforcement_point: ['edge-1'],
    region: 'eu-1',
    policy: Array.from({ length: policies }, (_, n) => `policy-${n}`),
    service_info: service.map((id, n) => ({
      service: id,
      owner: `team-${n}`,
      tier: 'critical',
      stage: 'enforced',
    })),
  }
}

const everything = [...authorityMetrics, ...enforcementMetrics, ...replayStoreMetrics, ...flowMetrics]

function open(options: Partial<MetricsOptions> & { readonly sets: ConfiguredSets }): Metrics {
  return new Metrics({ metrics: everything, ...options })
}

/** Counts and sets every combination of labels that there is, of every metric. */
function flood(metrics: Metrics, from = 0): void {
  for (const { name, row, combinations } of metrics.registrations) {
    // These are told by whoever reads the metrics.
    if (name.startsWith('metric_')) continue
    for (let at = 0; at < combinations; at++) {
      const series = (at + from) % combinations
      if (row.type === 'counter') metrics.counter(name as never).add(series)
      else if (row.type === 'gauge') metrics.gauge(name as never).set(series, 1)
      else metrics.histogram(name as never).observe(series, 1)
    }
  }
}

function samples(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

function isOverflow(line: string): boolean {
  return [...line.matchAll(/="([^"]*)"/g)].every(([, value]) => value === 'other')
}

const sparse = /^quantum_ip_(?:decisions|policy_differences|flows_refused)_total\{/

function valueOf(text: string, name: string): number {
  const line = samples(text).find((each) => each.startsWith(`quantum_ip_${name} `))
  assert.ok(line, name)
  return Number(line.split(' ').at(-1))
}

test('a process with 1,000 services and policies and traffic in every combination of labels keeps to its budget', () => {
  const threads = [open({ sets: sets(1_000) }), open({ sets: sets(1_000) }), open({ sets: sets(1_000) })]
  // Each thread meets other combinations first: what one has room for, all together have not.
  for (const [thread, metrics] of threads.entries()) flood(metrics, thread * 1_013)
  const [first, ...others] = threads as [Metrics, ...Metrics[]]
  const cells = others.map((each) => each.cells)
  for (const text of [formatMetrics(first, cells), formatOpenMetrics(first, cells)]) {
    assert.ok(samples(text).length <= seriesMaxDefault, `${samples(text).length} series`)
    assert.equal(valueOf(text, 'metric_series'), samples(text).length)
  }
  const text = formatMetrics(first, cells)
  assert.ok(samples(text).some((line) => line.includes('service="spiffe://acme.example/ns/prod/sa/s0"')))
  assert.ok(!samples(text).some((line) => line.includes('sa/s999"')))
})

test('says how many services and policies have no series of their own, and how much had no room', () => {
  const metrics = open({ sets: sets(1_000, 10) })
  flood(metrics)
  const text = formatMetrics(metrics)
  const kept = metrics.sets.service?.length ?? 0
  assert.ok(kept >= 20, `${kept} services with series of their own`)
  assert.ok(text.includes(`quantum_ip_metric_values_folded{label="service"} ${1_000 - kept}\n`))
  assert.ok(text.includes('quantum_ip_metric_values_folded{label="policy"} 0\n'))
  const overflows = samples(text).filter((line) => isOverflow(line) && sparse.test(line))
  assert.equal(
    valueOf(text, 'metric_overflow_total'),
    overflows.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
  )
})

test('says that nothing was folded where everything has room', () => {
  const metrics = open({ sets: sets(3) })
  const text = formatMetrics(metrics)
  assert.ok(text.includes('quantum_ip_metric_values_folded{label="service"} 0\n'))
  assert.equal(valueOf(text, 'metric_overflow_total'), 0)
  assert.equal(metrics.sets.service_info?.length, 3)
})

test('counts a service without series of its own as `other`, and loses nothing', () => {
  const many = sets(1_000, 1)
  const metrics = open({ sets: many })
  const counter = metrics.counter('verifications_total')
  const place = counter.places(0)
  for (const service of many.service ?? []) counter.add(counter.series([place(service), 0, 0, 0]))
  const family = readMetrics(metrics).find(({ name }) => name === 'verifications_total')
  assert.ok(family?.type === 'counter')
  const other = family.points.find(({ labels }) => labels[0]?.[1] === 'other')
  assert.equal(other?.value, 1_000 - (metrics.sets.service?.length ?? 0))
  assert.equal(
    family.points.reduce((sum, { value }) => sum + value, 0),
    1_000,
  )
})

test('what several threads counted never falls, also where they have no room for the same combinations', () => {
  const options = { metrics: ['decisions_total'], sets: { enforcement_point: ['e'], policy: ['p'] } } as const
  const [first, second] = [new Metrics(options), new Metrics(options)]
  let before = new Map<string, number>()
  for (let round = 0; round < 40; round++) {
    for (let n = 0; n < 5; n++) {
      first.counter('decisions_total').add((round * 7 + n) % 400)
      second.counter('decisions_total').add((round * 11 + n * 3) % 400)
    }
    const lines = samples(formatMetrics(first, [second.cells])).map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space))] as const
    })
    const now = new Map(lines)
    assert.ok(now.size <= 25)
    for (const [series, value] of before) assert.ok((now.get(series) ?? 0) >= value, series)
    assert.equal(
      [...now.values()].reduce((sum, value) => sum + value, 0),
      (round + 1) * 10,
    )
    before = now
  }
})

test('refuses a budget that the metrics alone are over', () => {
  assert.throws(
    () => open({ sets: sets(10), seriesMax: 100 }),
    (error) => isQipError(error, 'QIP_TELEMETRY_SERIES_EXCEEDED'),
  )
})

test('a larger budget gives more services series of their own', () => {
  const metrics = open({ sets: sets(1_000, 10), seriesMax: 100_000 })
  assert.deepEqual(metrics.folded, { service: 0, policy: 0 })
  assert.equal(new Metrics({ metrics: metricNames, sets: {} }).registrations.length, metricNames.length)
})
