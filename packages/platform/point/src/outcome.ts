import type { Decision } from '@quantum-ip/policy'
import type { Verdict } from '@quantum-ip/verifier'
import { reservedNames } from './carried.ts'
import type { PointAnswer } from './problem.ts'

interface Decided {
  readonly verdict: Verdict
  readonly decision: Decision
  /** `null` where the decision is not recorded. */
  readonly decisionId: string | null
}

/** The request goes on. */
export interface Admitted extends Decided {
  /** For `quarantine`, `decision.quarantine` says which; to carry it out is the point's business. */
  readonly action: 'allow' | 'quarantine'
  /** Fields to set, flat: name, value, name, value. Every reserved field that is not in here is taken off; see {@link removedNames}. */
  readonly fields: readonly string[]
}

/** The request goes nowhere. */
export interface Refused extends Decided {
  readonly action: 'reject'
  /** What the caller gets: problem JSON, with a challenge where a token would help. */
  readonly answer: PointAnswer
}

/** What became of one request at a point. */
export type Outcome = Admitted | Refused

// One list for each set of names, which are six.
const lists = new Map<number, readonly string[]>()

/**
 * The reserved names that are not among `fields`: what a point takes off that sets fields one by one, and removes after it has set.
 *
 * @example
 * removedNames(['quantum-ip-status', 'missing']) // => ['quantum-ip', 'quantum-ip-head', 'workload-proof-token', 'tracestate', 'traceparent']
 */
export function removedNames(fields: readonly string[]): readonly string[] {
  let kept = 0
  for (let i = 0; i < fields.length; i += 2) kept |= 1 << reservedNames.indexOf(fields[i] as string)
  let names = lists.get(kept)
  if (names === undefined) {
    names = reservedNames.filter((_name, at) => (kept & (1 << at)) === 0)
    lists.set(kept, names)
  }
  return names
}
