import type { StapledHead } from '@quantum-ip/token'
import type { HeadTuple } from '../sources.ts'

/**
 * Where a signed head that no state had listed stands:
 *
 * - `pending`: it counts, until a state should have listed it
 * - `overdue`: a state should have listed it, but none that young has come: it counts no longer
 * - `anchored`: a state has listed it
 * - `refused`: a state that should have listed it did not, or lists another
 */
export type ProvisionalState = 'pending' | 'overdue' | 'anchored' | 'refused'

/** A head that is signed by all cosigners that it needs, and that no state had listed when it came. */
export interface ProvisionalHead {
  readonly tuple: HeadTuple
  /** Thumbprint of the issuing key. */
  readonly kid: string
  readonly signed: StapledHead
  readonly seenMs: number
  state: ProvisionalState
  /** How many verified decisions relied on it. */
  decisions: number
}

/** The name of a tuple, for maps. */
export function tupleKey(tuple: { origin: string; keyId: number; start: number; end: number }): string {
  return `${tuple.origin} ${tuple.keyId} ${tuple.start} ${tuple.end}`
}
