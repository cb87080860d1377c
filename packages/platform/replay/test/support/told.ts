import type { OneTimeUse, ReplayOutcome } from '@quantum-ip/verifier'
import type { FloorCause, ReplayFault, ReplayObserver } from '../../src/index.ts'

/** An observer that remembers. */
export interface Told extends ReplayObserver {
  readonly outcomes: Map<ReplayOutcome, number>
  readonly faults: Map<ReplayFault, number>
  readonly causes: FloorCause[]
  readonly events: string[]
}

/** Opens an observer that remembers. */
export function tell(): Told {
  const outcomes = new Map<ReplayOutcome, number>()
  const faults = new Map<ReplayFault, number>()
  const causes: FloorCause[] = []
  const events: string[] = []
  return {
    outcomes,
    faults,
    causes,
    events,
    check: (outcome) => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1),
    fault: (fault) => void faults.set(fault, (faults.get(fault) ?? 0) + 1),
    floorRaised: (cause) => void causes.push(cause),
    event: (text) => void events.push(text),
  }
}

/** The origin of the log that test tokens are in. */
export const origin = 'acme.example/tokens/1'

/** A use of a token that was issued just now. */
export function useOf(index: number, changes: Partial<OneTimeUse> = {}): OneTimeUse {
  const nowMs = Date.now()
  const nowS = Math.floor(nowMs / 1_000)
  return {
    log: origin,
    index,
    issuedS: nowS,
    expiresS: nowS + 60,
    nowMs,
    requestId: undefined,
    proxy: undefined,
    ...changes,
  }
}

/** A state of the authority's of a moment from now, whose log has nothing in it yet. */
export function emptyState(aheadMs = 2_000): { timeMs: number; logs: Map<string, { size: number }> } {
  return { timeMs: Date.now() + aheadMs, logs: new Map([[origin, { size: 0 }]]) }
}
