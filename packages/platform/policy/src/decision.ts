import type { Action, PolicyMode, Quarantine } from './document.ts'
import type { PolicyIdentity } from './assemble-policy.ts'
import type { Facts } from './facts.ts'

/**
 * What decided.
 *
 * - `exception`: an exception held that has not ended
 * - `rule`: a rule's condition held
 * - `engine`: the engine that the policy asks after its rules
 * - `engine_unavailable`: that engine gave no answer: reject, or the defaults where the policy says so
 * - `default`: no rule did
 * - `policy_error`: a rule's condition failed; its own action holds, or reject where that was allow
 * - `not_accepted`: the default would let through what has to be accepted by name
 * - `overloaded`: the verifier shed the request, which is always refused
 */
export type DecisionReason =
  | 'exception'
  | 'rule'
  | 'engine'
  | 'engine_unavailable'
  | 'default'
  | 'policy_error'
  | 'not_accepted'
  | 'overloaded'

/** The reasons of decisions, in a fixed order. */
export const decisionReasons = [
  'exception',
  'rule',
  'engine',
  'engine_unavailable',
  'default',
  'policy_error',
  'not_accepted',
  'overloaded',
] as const satisfies readonly DecisionReason[]

/** Which exception decided, and who answers for it. */
export interface ExceptionUse {
  readonly name: string
  readonly owner: string
}

/** What a policy says about one request: a value. */
export interface Decision {
  /** What is to be done. `allow` wherever the decision isn't carried out. */
  readonly action: Action
  /** Name of the rule that decided, the engine's own where that names one; `null` for the defaults and for exceptions. */
  readonly rule: string | null
  /** The exception that decided before any rule, else `null`. */
  readonly exception: ExceptionUse | null
  readonly reason: DecisionReason
  readonly mode: PolicyMode
  /** Whether the decision is carried out. */
  readonly enforced: boolean
  /** What is, or would be, done if it is carried out. */
  readonly wouldBe: Action
  readonly policy: PolicyIdentity
  /** Whether the attestation is to be checked after the reply. */
  readonly deferred: boolean
  /** Where the request goes if `action` is `quarantine`, else `null`. */
  readonly quarantine: Quarantine | null
}

/** What a policy tells about itself. Called once for each decision; must be cheap and must not throw. */
export interface PolicyObserver {
  decided(decision: Decision, facts: Facts): void
}
