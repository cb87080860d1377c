import { parseJson } from '@quantum-ip/base'
import type { SqlRow, SqlStatement } from '../store/sql.ts'
import type { PolicyCounts } from './policy-reports.ts'

/** How a policy is brought into force. Shares are hundredths of a percent. */
export interface PromotionPlan {
  /** The version that is promoted. */
  readonly version: number
  /** Whether it takes the place of another version, or the one in force is carried out for more and more. */
  readonly isCandidate: boolean
  /** For which share it is carried out, step by step, ascending. */
  readonly shares: readonly number[]
  /** Whether it is in force for all, without a watch, after the last step. */
  readonly enforces: boolean
  /** How long each step lasts at least. */
  readonly soakMs: number
  /** The share of requests of verified callers that it may reject, or fail on, beyond what is done without it. */
  readonly budget: number
  /** So many requests of a step must have been counted before it says anything. */
  readonly requestsMin: number
}

/** How a promotion ended. */
export type PromotionOutcome = 'completed' | 'rolled-back'

/** A policy version on its way into force. */
export interface Promotion {
  readonly number: number
  readonly name: string
  readonly phase: 'running' | 'ended'
  readonly plan: PromotionPlan
  /** Which of the plan's shares holds now. */
  readonly step: number
  /** The rollout that began the step. */
  readonly rollout: number
  /** What was in force before it began. */
  readonly beforeRollout: number
  readonly askedBy: string
  readonly startedMs: number
  readonly stepMs: number
  readonly endedMs: number | undefined
  readonly outcome: PromotionOutcome | undefined
  readonly detail: string | undefined
}

/** A promotion out of its row. */
export function readPromotion(row: SqlRow): Promotion {
  return {
    number: row['number'] as number,
    name: row['name'] as string,
    phase: row['phase'] as Promotion['phase'],
    plan: parseJson(row['plan'] as string) as unknown as PromotionPlan,
    step: row['step'] as number,
    rollout: row['rollout'] as number,
    beforeRollout: row['before_rollout'] as number,
    askedBy: row['asked_by'] as string,
    startedMs: row['started_ms'] as number,
    stepMs: row['step_ms'] as number,
    endedMs: (row['ended_ms'] ?? undefined) as number | undefined,
    outcome: (row['outcome'] ?? undefined) as PromotionOutcome | undefined,
    detail: (row['detail'] ?? undefined) as string | undefined,
  }
}

/** What a promotion begins with. */
export type PromotionStart = Pick<Promotion, 'name' | 'plan' | 'beforeRollout' | 'askedBy' | 'startedMs'>

/** Keeps a promotion that begins. A conflict says that one of the same policy runs already. */
export function startStatement({
  name,
  plan,
  beforeRollout,
  askedBy,
  startedMs,
}: PromotionStart): SqlStatement {
  return {
    sql: `INSERT INTO policy_promotions (number, name, phase, plan, step, rollout, before_rollout, asked_by, started_ms, step_ms)
          SELECT COALESCE(MAX(number), 0) + 1, ?, 'running', ?, 0, ?, ?, ?, ?, ? FROM policy_promotions WHERE true
          ON CONFLICT DO NOTHING`,
    params: [name, JSON.stringify(plan), beforeRollout + 1, beforeRollout, askedBy, startedMs, startedMs],
    expect: 1,
    what: `a promotion of policy \`${name}\``,
  }
}

/** The next step of a promotion that is still at `step`. */
export function stepStatement(
  { number, step }: Promotion,
  at: { rollout: number; ms: number },
): SqlStatement {
  return {
    sql: `UPDATE policy_promotions SET step = ?, rollout = ?, step_ms = ? WHERE number = ? AND step = ? AND phase = 'running'`,
    params: [step + 1, at.rollout, at.ms, number, step],
    expect: 1,
    what: 'the promotion',
  }
}

/** Ends a promotion that is still at `step`. */
export function endStatement(
  { number, step }: Promotion,
  end: { readonly outcome: PromotionOutcome; readonly ms: number; readonly detail: string },
): SqlStatement {
  return {
    sql: `UPDATE policy_promotions SET phase = 'ended', outcome = ?, ended_ms = ?, detail = ?
          WHERE number = ? AND step = ? AND phase = 'running'`,
    params: [end.outcome, end.ms, end.detail, number, step],
    expect: 1,
    what: 'the promotion',
  }
}

/** What a promotion does next, and why, for people. */
export interface PromotionVerdict {
  readonly decision: 'wait' | 'go-on' | 'roll-back'
  readonly detail: string
}

/** Decides over a step from what was counted in it. A value: the same counts give the same decision. */
export function decidePromotion(
  { plan, stepMs }: Pick<Promotion, 'plan' | 'stepMs'>,
  { requests, rejected, errors }: Pick<PolicyCounts, 'requests' | 'rejected' | 'errors'>,
  nowMs: number,
): PromotionVerdict {
  const { budget, requestsMin, soakMs } = plan
  const bad = rejected + errors
  const counted = `${rejected} of ${requests} requests of verified callers rejected, ${errors} errors`
  if (requests > 0 && requests >= requestsMin && bad * wholeShare > budget * requests)
    return { decision: 'roll-back', detail: `${counted}: over the budget of ${budget / 100}%` }
  if (nowMs - stepMs < soakMs) return { decision: 'wait', detail: counted }
  if (requests < requestsMin)
    return { decision: 'wait', detail: `${counted}: it takes ${requestsMin} requests to go on` }
  return { decision: 'go-on', detail: counted }
}

/** All callers, in hundredths of a percent. */
export const wholeShare = 10_000
