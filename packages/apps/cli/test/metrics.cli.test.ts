import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { authorityMetrics, enforcementMetrics, type MetricName } from '@quantum-ip/telemetry'
import { layOutDemo } from '../src/journey/demo-config.ts'
import { openDemoUpstream } from '../src/journey/demo-upstream.ts'
import { runJourney } from '../src/journey/journey.ts'
import { openNode } from '../src/up/node.ts'

// What the journey gives no occasion for: nothing is late, shed, wrong, lost, unlogged, adjudicated, declared or over the budget.
const withoutOccasion = new Set<MetricName>([
  'adjudications_total',
  'deferred_backlog',
  'requests_shed_total',
  'load_delay_seconds',
  'requests_in_flight',
  'policy_differences_total',
  'policy_errors_total',
  'policy_exceptions_total',
  'fail_open_total',
  'verifier_events_total',
  'security_events_total',
  'incident_open',
  'window_open',
  'unlogged_decisions_total',
  'decision_records_suppressed_total',
  'decision_records_lost_total',
  'metric_values_folded',
  'metric_overflow_total',
  // A member acknowledges a new state a moment later.
  'fleet_members_current',
])

/** The values of a metric's series on a page; of a histogram, its counts. */
function valuesOf(page: string, name: MetricName): readonly number[] {
  const form = new RegExp(`^quantum_ip_${name}(?:_count)?(?:\\{.*\\})? (\\S+)$`, 'gm')
  return [...page.matchAll(form)].map(([, value]) => Number(value))
}

test('every metric of a process is fed: in the journey of a build each one counts that has an occasion', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-metrics-'))
  const [shop, quarantine] = [await openDemoUpstream('shop'), await openDemoUpstream('quarantine')]
  const ground = await layOutDemo(folder, { shop: shop.url, quarantine: quarantine.url })
  const node = await openNode(ground.config, () => undefined)
  try {
    await runJourney(node, ground, () => undefined)
    const page = await (await fetch(`${node.authority.url}/metrics`)).text()
    const silent = [...new Set<MetricName>([...authorityMetrics, ...enforcementMetrics])].filter((name) =>
      valuesOf(page, name).every((value) => value === 0),
    )
    assert.deepEqual(
      silent.filter((name) => !withoutOccasion.has(name)),
      [],
    )
  } finally {
    await node.close()
    await Promise.all([shop.close(), quarantine.close()])
    await rm(folder, { recursive: true, force: true })
  }
})
