import type { ReplayOutcome } from '@quantum-ip/verifier'

/**
 * Why a check of the shared store gave no answer:
 *
 * - `away`: no connection, or the store says that it cannot write (loading, a replica, full)
 * - `timeout`: no answer in time; the token counts as used
 * - `open`: not asked, since it did not answer lately
 * - `unchecked`: connected, but eviction and memory are not yet looked at
 * - `evicts`: its configuration lets it forget
 * - `clock`: its clock and this one are too far apart
 * - `floor`: it answered; the token is older than what it remembers
 */
export type ReplayFault = 'away' | 'timeout' | 'open' | 'unchecked' | 'evicts' | 'clock' | 'floor'

/** The faults, in a fixed order. */
export const replayFaults = [
  'away',
  'timeout',
  'open',
  'unchecked',
  'evicts',
  'clock',
  'floor',
] as const satisfies readonly ReplayFault[]

/**
 * Why the shared memory begins anew, so that older tokens are refused:
 *
 * - `new`: there was none, as far as this verifier knows
 * - `lost`: it was there before and is gone (`FLUSHALL`)
 * - `primary`: another server answers, or the same after a restart; its last writes may be lost
 * - `evicted`: keys were evicted
 * - `clock`: the store's clock was far ahead for a while, and keys may have ended too soon
 */
export type FloorCause = 'new' | 'lost' | 'primary' | 'evicted' | 'clock'

/** The causes, in a fixed order. */
export const floorCauses = [
  'new',
  'lost',
  'primary',
  'evicted',
  'clock',
] as const satisfies readonly FloorCause[]

/** What a shared replay guard tells about itself. Calls are synchronous, must be cheap and must not throw. */
export interface ReplayObserver {
  /** One check ended. */
  check(outcome: ReplayOutcome, durationMs: number): void
  /** A check got no answer out of the store. */
  fault(fault: ReplayFault): void
  /** The memory began anew. Told once per event by each verifier that notices it. */
  floorRaised(cause: FloorCause): void
  /** What an operator should read: the store came, went, or is not fit. */
  event(text: string): void
}

/** An observer that ignores everything: spread it to write one of a few methods. */
export const silentReplayObserver: ReplayObserver = {
  check: () => {},
  fault: () => {},
  floorRaised: () => {},
  event: () => {},
}
