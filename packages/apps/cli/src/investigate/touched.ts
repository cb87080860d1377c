import { type DecisionGroup, passed } from './decisions-part.ts'
import type { Examined } from './examine-case.ts'

/** A service or caller, and how many requests came to it or from it. */
export interface Touched {
  readonly name: string
  /** Requests that passed, samples counted out. */
  readonly passed: number
  readonly refused: number
}

/** A request that is known by itself. */
export interface TouchedRequest {
  readonly decision: string
  readonly timeMs: number
  readonly service: string
  readonly reason: string
  readonly action: string
  readonly traceId?: string | undefined
}

/** Whom and what a subject touched, by the decisions that are kept. */
export interface TouchedParties {
  /** Services that were called. */
  readonly services: readonly Touched[]
  readonly callers: readonly Touched[]
  /** The newest first. */
  readonly requests: readonly TouchedRequest[]
}

/** Which services, callers and requests a subject touched. */
export function touchedBy({ decisions }: Examined): TouchedParties {
  return {
    services: sumBy(decisions.groups, ({ service }) => service),
    callers: sumBy(decisions.groups, ({ subject }) => subject),
    requests: decisions.records
      .map(({ id, timeMs, service, reason, action, traceId }) => ({
        decision: id,
        timeMs,
        service,
        reason,
        action,
        traceId,
      }))
      .toSorted((a, b) => b.timeMs - a.timeMs),
  }
}

function sumBy(
  groups: readonly DecisionGroup[],
  nameOf: (group: DecisionGroup) => string,
): readonly Touched[] {
  const sums = new Map<string, { passed: number; refused: number }>()
  for (const group of groups) {
    const name = nameOf(group)
    if (name === '') continue
    const sum = sums.get(name) ?? { passed: 0, refused: 0 }
    sums.set(name, sum)
    if (passed(group)) sum.passed += group.requests
    else sum.refused += group.requests
  }
  return [...sums]
    .map(([name, sum]) => ({ name, passed: sum.passed, refused: sum.refused }))
    .toSorted((a, b) => b.passed + b.refused - a.passed - a.refused)
}
