import type { CompiledException, CompiledPolicy, CompiledRule } from './assemble-policy.ts'
import { decide, evaluateRule, isInForce, verdictOf } from './decide.ts'
import type { Decision } from './decision.ts'
import type { Action, PolicyException } from './document.ts'
import type { FactName, FactValue, Facts } from './facts.ts'
import { CelFacts } from './lib/cel-facts.ts'
import { reaches } from './lib/reach.ts'

/**
 * What became of one rule, or exception.
 *
 * - `decided`: its condition held, or failed, and that was the decision
 * - `held`: its condition holds too, but an earlier rule had decided
 * - `not_held`: its condition is false
 * - `failed`: its condition fails to evaluate, but an earlier rule had decided
 * - `ended`: an exception past its end, or one whose end is further away than exceptions may last
 * - `silent`: it cannot speak for this verdict (not named, or the caller is not authenticated)
 */
export type RuleOutcome = 'decided' | 'held' | 'not_held' | 'failed' | 'ended' | 'silent'

/** One rule in an explanation. */
export interface RuleExplanation {
  readonly name: string
  readonly action: Action
  readonly when: string | null
  readonly outcome: RuleOutcome
  /** What the condition gave; `null` if it failed or was not evaluated. */
  readonly value: boolean | null
  /** Why it failed. May quote facts: for the operator's eyes. */
  readonly error: string | null
  /** The facts that the condition reads, with their values. */
  readonly facts: Readonly<Partial<Record<FactName, FactValue>>>
}

/** One exception in an explanation. */
export interface ExceptionExplanation extends RuleExplanation {
  readonly owner: string
  /** Why it is there, in the policy's words. */
  readonly reason: string
  /** Milliseconds since 1970. */
  readonly expiresMs: number
}

/** Why a request was decided as it was. */
export interface Explanation {
  readonly decision: Decision
  /** Asked before the rules. */
  readonly exceptions: readonly ExceptionExplanation[]
  readonly rules: readonly RuleExplanation[]
}

/**
 * Explains a decision: every rule with its value or error, also those that the decision did not get to.
 *
 * Facts can be the request's own or recorded ones. Host and path are among them: show an explanation to
 * operators only.
 */
export function explainDecision(policy: CompiledPolicy, facts: Facts): Explanation {
  const decision = decide(policy, facts)
  return {
    decision,
    exceptions: policy.exceptions.map((exception, at) => {
      const { owner, reason, expiresMs } = policy.document.exceptions[at] as PolicyException
      return { ...explainException(exception, { facts, decision }), owner, reason, expiresMs }
    }),
    rules: policy.rules.map((rule) => {
      const decided = rule.name === decision.rule
      return explainRule(rule, { facts, decided })
    }),
  }
}

function explainException(
  exception: CompiledException,
  { facts, decision }: { readonly facts: Facts; readonly decision: Decision },
): RuleExplanation {
  const explained = explainRule(exception, { facts, decided: exception.name === decision.exception?.name })
  return isInForce(exception, facts) ? explained : { ...explained, outcome: 'ended' }
}

function explainRule(
  rule: CompiledRule,
  { facts, decided }: { readonly facts: Facts; readonly decided: boolean },
): RuleExplanation {
  const base = {
    name: rule.name,
    action: rule.action,
    when: rule.condition?.text ?? null,
    facts: factsRead(rule, facts),
  }
  if (!reaches(rule.reach, verdictOf(facts))) return { ...base, outcome: 'silent', value: null, error: null }
  const value = evaluateRule(rule, new CelFacts(facts))
  if (typeof value !== 'boolean') {
    const outcome = decided ? 'decided' : 'failed'
    return { ...base, outcome, value: null, error: value.message }
  }
  const outcome = decided ? 'decided' : value ? 'held' : 'not_held'
  return { ...base, outcome, value, error: null }
}

function factsRead(rule: CompiledRule, facts: Facts): Partial<Record<FactName, FactValue>> {
  return Object.fromEntries([...(rule.condition?.facts ?? [])].map((name) => [name, facts[name]]))
}
