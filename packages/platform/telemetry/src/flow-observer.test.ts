import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowMetrics, flowObserver, formatMetrics, Metrics, otherValue } from './index.ts'

const service = 'spiffe://acme.example/ns/prod/sa/database'

test('counts connections that were refused and cut by service and cause, and shows those that are open', () => {
  const sets = { service: [service], enforcement_point: ['edge-1', 'edge-2'] }
  const metrics = new Metrics({ metrics: flowMetrics, sets })
  const observer = flowObserver({ metrics, point: 'edge-2' })
  observer.refused('peer_unlisted', service)
  observer.refused('peer_unlisted', service)
  observer.refused('defect', otherValue)
  observer.cut('revoked', service)
  observer.cut('stopping', otherValue)
  observer.refresh({ open: 7 })
  const text = formatMetrics(metrics)
  for (const line of [
    `quantum_ip_flows_refused_total{enforcement_point="edge-2",service="${service}",cause="peer_unlisted"} 2`,
    'quantum_ip_flows_refused_total{enforcement_point="edge-2",service="other",cause="defect"} 1',
    `quantum_ip_flows_cut_total{service="${service}",cause="revoked"} 1`,
    `quantum_ip_flows_cut_total{service="${service}",cause="ended"} 0`,
    'quantum_ip_flows_cut_total{service="other",cause="stopping"} 1',
    'quantum_ip_flows_open 7',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
  assert.throws(() => flowObserver({ metrics, point: 'edge-3' }), TypeError)
})
