import type { JsonObject } from '@quantum-ip/base'
import { type DecisionFact, decisionFact, numberAt, objectsAt, textAt } from './facts.ts'

/** Decisions of one kind: how many are kept, and from when to when. */
export interface DecisionGroup {
  readonly service: string
  readonly status: string
  readonly reason: string
  readonly action: string
  /** The caller, proven; empty where nobody was. */
  readonly subject: string
  /** Records. */
  readonly count: number
  /** Requests that they stand for, samples counted out. */
  readonly requests: number
  readonly firstMs: number
  readonly lastMs: number
}

/** How many records of a reason an enforcement point did not keep. */
export interface Suppressed {
  readonly point: string
  readonly reason: string
  readonly count: number
}

/** What the fleet reported about the subject. */
export interface DecisionsFact {
  /** All that are kept about the subject in the span asked for. */
  readonly total: number
  /** Requests that they stand for, samples counted out. */
  readonly requests: number
  readonly groups: readonly DecisionGroup[]
  /** Some of them whole: the first and the last of what was accepted and refused, and the newest. */
  readonly records: readonly DecisionFact[]
  /** The oldest decision that is kept at all, about anything. */
  readonly oldestMs: number | undefined
  readonly suppressed: readonly Suppressed[]
}

/** What is known where nothing was reported. */
export const noDecisions: DecisionsFact = {
  total: 0,
  requests: 0,
  groups: [],
  records: [],
  oldestMs: undefined,
  suppressed: [],
}

/** What the text of a part of kind `decisions` says. Nothing of it is signed by anybody. */
export function readDecisions(json: JsonObject): DecisionsFact {
  return {
    total: numberAt(json, 'total') ?? 0,
    requests: numberAt(json, 'requests') ?? numberAt(json, 'total') ?? 0,
    groups: objectsAt(json, 'groups').map((group) => ({
      service: textAt(group, 'service') ?? '',
      status: textAt(group, 'status') ?? '',
      reason: textAt(group, 'reason') ?? '',
      action: textAt(group, 'action') ?? '',
      subject: textAt(group, 'subject') ?? '',
      count: numberAt(group, 'count') ?? 0,
      requests: numberAt(group, 'requests') ?? numberAt(group, 'count') ?? 0,
      firstMs: numberAt(group, 'firstMs') ?? 0,
      lastMs: numberAt(group, 'lastMs') ?? 0,
    })),
    records: objectsAt(json, 'records').map((record) => decisionFact(record)),
    oldestMs: numberAt(json, 'oldestMs'),
    suppressed: objectsAt(json, 'suppressed').map((row) => ({
      point: textAt(row, 'point') ?? '',
      reason: textAt(row, 'reason') ?? '',
      count: numberAt(row, 'count') ?? 0,
    })),
  }
}

/** Whether a request passed. */
export function passed({ action }: { readonly action: string }): boolean {
  return action === 'allow'
}

/** Decisions of several groups as one line: how many, the first and the last. */
export function sumGroups(
  groups: readonly DecisionGroup[],
): { readonly count: number; readonly firstMs: number; readonly lastMs: number } | undefined {
  if (groups.length === 0) return undefined
  return {
    count: groups.reduce((sum, { count }) => sum + count, 0),
    firstMs: Math.min(...groups.map(({ firstMs }) => firstMs)),
    lastMs: Math.max(...groups.map(({ lastMs }) => lastMs)),
  }
}
