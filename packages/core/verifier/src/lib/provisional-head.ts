import type { StapledHead } from '@quantum-ip/token'
import type { HeadTuple } from '../sources.ts'
import type { HeadStanding, HeadState } from '../verdict.ts'

/** A head that is signed by all cosigners that it needs, and that no state had listed when it came. */
export interface ProvisionalHead extends HeadStanding {
  readonly tuple: HeadTuple
  /** Thumbprint of the issuing key. */
  readonly kid: string
  readonly signed: StapledHead
  readonly seenMs: number
  state: HeadState
  /** How many verified decisions relied on it. */
  decisions: number
  /** Whether the observer was told that it is late. */
  isTold: boolean
}

/** The name of a tuple, for maps. */
export function tupleKey(tuple: { origin: string; keyId: number; start: number; end: number }): string {
  return `${tuple.origin} ${tuple.keyId} ${tuple.start} ${tuple.end}`
}
