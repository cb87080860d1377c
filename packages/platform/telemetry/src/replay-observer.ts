import type { ReplayOutcome } from '@quantum-ip/verifier'
import {
  type ReplayFloorCause,
  type ReplayStoreFault,
  replayFaultPlaces,
  replayFloorPlaces,
  replayPlaces,
} from './closed-sets.ts'
import type { Metrics } from './metrics.ts'

/** What a shared replay guard tells, counted into {@link replayStoreMetrics}. */
export interface ReplayStoreObserver {
  check(outcome: ReplayOutcome, durationMs: number): void
  fault(fault: ReplayStoreFault): void
  floorRaised(cause: ReplayFloorCause): void
}

/**
 * Counts what the shared replay guard tells.
 *
 * @throws {TypeError} if a metric is not registered.
 */
export function replayStoreObserver(metrics: Metrics): ReplayStoreObserver {
  const checks = metrics.counter('replay_checks_total')
  const durations = metrics.histogram('replay_check_duration_seconds')
  const faults = metrics.counter('replay_faults_total')
  const raised = metrics.counter('replay_floor_raised_total')
  return {
    check(outcome, durationMs) {
      checks.add(replayPlaces[outcome])
      durations.observe(0, durationMs / 1_000)
    },
    fault: (fault) => faults.add(replayFaultPlaces[fault]),
    floorRaised: (cause) => raised.add(replayFloorPlaces[cause]),
  }
}
