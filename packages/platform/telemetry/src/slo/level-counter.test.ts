import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from '../metrics.ts'
import { dimensionOf } from '../dimensions.ts'
import { metricNames, metricRow } from '../metric-table.ts'
import { policyObserver, verifierObserver } from '../observers.ts'
import { readSamples } from './read-samples.ts'
import { LevelCounter, type LevelReport } from './level-counter.ts'
import { type LevelId, levelMetrics, serviceLevels } from './service-levels.ts'

const nowMs = 1_800_000_000_000
const minuteMs = 60_000

function open(services: readonly string[] = ['a', 'b']) {
  const sets = { service: services, enforcement_point: ['edge-1'], policy: ['shop'], region: 'eu-1' }
  const metrics = new Metrics({ metrics: metricNames, sets })
  const place = { metrics, point: 'edge-1' }
  return { metrics, verifier: verifierObserver(place), policy: policyObserver(place) }
}

const read = (metrics: Metrics) => readSamples(metrics, [], levelMetrics)
const shareOf = ({ levels }: LevelReport, id: LevelId, service?: string) =>
  levels.find((level) => level.id === id && level.service === service)?.shares['1h']

test('counts attributable traffic of enforced services, and nobody else’s', () => {
  const { metrics, verifier } = open()
  const counter = new LevelCounter(['a'], nowMs)
  counter.take(read(metrics), nowMs)
  const reasons = [
    'ok',
    'ok_shallow',
    'token_absent',
    'token_malformed',
    'token_stripped',
    'attestation_stale',
    'key_unknown',
  ] as const
  for (const reason of reasons) verifier.verification('a', reason, 'cold', 1)
  verifier.verification('b', 'key_unknown', 'cold', 1)
  verifier.verification('nobody', 'key_unknown', 'cold', 1)
  counter.take(read(metrics), nowMs + minuteMs)
  const report = counter.report(nowMs + minuteMs)
  assert.deepEqual(shareOf(report, 'M1', 'a'), { bad: 3, total: 5 })
  assert.deepEqual(shareOf(report, 'M3', 'a'), { bad: 1, total: 5 })
  assert.deepEqual(shareOf(report, 'M4', 'a'), { bad: 0, total: 5 })
  assert.deepEqual(shareOf(report, 'M5', 'a'), { bad: 1, total: 3 })
  assert.equal(shareOf(report, 'M1', 'b'), undefined)
})

test('counts what took longer than the bar, by the buckets of the histograms', () => {
  const { metrics, verifier } = open()
  const counter = new LevelCounter([], nowMs)
  for (const ms of [0.01, 50, 51, 2_000]) verifier.verification('a', 'ok', 'cold', ms)
  for (const ms of [1, 100, 101]) verifier.ledgerLookup('remote', ms)
  counter.take(read(metrics), nowMs)
  assert.deepEqual(shareOf(counter.report(nowMs), 'M2'), { bad: 2, total: 4 })
  assert.deepEqual(shareOf(counter.report(nowMs), 'M7'), { bad: 1, total: 3 })
})

test('looks at gauges once a minute, and does not count those that are not set', () => {
  const { metrics } = open()
  const counter = new LevelCounter([], nowMs)
  counter.take(read(metrics), nowMs)
  assert.deepEqual(shareOf(counter.report(nowMs), 'M6'), { bad: 0, total: 0 })
  metrics.gauge('fleet_members').set(0, 4)
  metrics.gauge('fleet_members_current').set(0, 3)
  for (const ms of [1, 2, minuteMs, minuteMs + 1, 2 * minuteMs]) counter.take(read(metrics), nowMs + ms)
  assert.deepEqual(shareOf(counter.report(nowMs + 2 * minuteMs), 'M6'), { bad: 2, total: 8 })
})

test('goes on after a restart with the services that are left, and with counters that began anew', () => {
  const first = open()
  const counter = new LevelCounter(['a', 'b'], nowMs)
  for (const service of ['a', 'b']) first.verifier.verification(service, 'key_unknown', 'cold', 1)
  counter.take(read(first.metrics), nowMs)
  const kept = JSON.parse(JSON.stringify(counter.keep())) as ReturnType<LevelCounter['keep']>
  const second = open(['b', 'c'])
  const again = new LevelCounter(['b', 'c'], nowMs + minuteMs, kept)
  second.verifier.verification('b', 'ok', 'cold', 1)
  again.take(read(second.metrics), nowMs + minuteMs)
  const report = again.report(nowMs + minuteMs)
  assert.deepEqual(shareOf(report, 'M1', 'b'), { bad: 1, total: 2 })
  assert.deepEqual(shareOf(report, 'M1', 'c'), { bad: 0, total: 0 })
  assert.equal(report.sinceMs, nowMs)
})

test('every level is counted from labels and buckets that its metrics have', () => {
  for (const { id, counts } of serviceLevels) {
    for (const counted of [counts.total, counts.bad, counts.good]) {
      for (const [label, values] of Object.entries(counted?.where ?? {})) {
        const dimensions = metricRow(counted?.metric ?? 'verifications_total').dimensions
        const known = new Set(
          dimensions.flatMap((name) => {
            const { labels, rows } = dimensionOf(name, {})
            return rows.map((row) => row[labels.indexOf(label)])
          }),
        )
        assert.deepEqual(
          values.filter((value) => !known.has(value)),
          [],
          `${id} ${label}`,
        )
      }
    }
  }
  const samples = read(open().metrics)
  for (const { id, counts } of serviceLevels) {
    for (const counted of [counts.total, counts.bad, counts.good]) {
      if (counted?.atMost === undefined) continue
      const of = samples.filter(({ name }) => name === counted.metric)
      assert.ok(of.length > 0, id)
      for (const { histogram } of of) assert.ok(histogram?.buckets.includes(counted.atMost), id)
    }
  }
})
