import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatMetrics, replayStoreMetrics, Metrics, replayStoreObserver } from './index.ts'

test('counts checks of the shared replay store, their time, what went wrong, and memories that began anew', () => {
  const metrics = new Metrics({ metrics: replayStoreMetrics })
  const observer = replayStoreObserver(metrics)
  observer.check('fresh', 0.4)
  observer.check('unavailable', 50)
  observer.fault('timeout')
  observer.floorRaised('primary')
  const text = formatMetrics(metrics)
  for (const line of [
    'quantum_ip_replay_checks_total{outcome="fresh"} 1',
    'quantum_ip_replay_checks_total{outcome="unavailable"} 1',
    'quantum_ip_replay_faults_total{fault="timeout"} 1',
    'quantum_ip_replay_floor_raised_total{cause="primary"} 1',
    'quantum_ip_replay_check_duration_seconds_count 2',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
})
