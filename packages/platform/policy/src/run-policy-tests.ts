import type { CompiledPolicy, PolicyIdentity } from './assemble-policy.ts'
import { decide } from './decide.ts'
import type { DecisionReason } from './decision.ts'
import type { Action } from './document.ts'
import { type Explanation, explainDecision } from './explain.ts'
import type { ExpectedDecision, PolicyTestCase, PolicyTests } from './policy-tests.ts'
import { sampleFacts } from './sample-facts.ts'

/** What was decided in a case. */
export interface DecidedCase {
  /** What is done if the decision is carried out. */
  readonly action: Action
  readonly rule: string | null
  readonly reason: DecisionReason
  readonly exception: string | null
}

/** A point in which a case expects something else. */
export interface Difference {
  readonly key: keyof ExpectedDecision
  readonly expected: string | null
  readonly decided: string | null
}

/** How a case ended. */
export interface CaseOutcome {
  readonly name: string
  readonly decided: DecidedCase
  /** Empty for a case that passed. */
  readonly differences: readonly Difference[]
  /** Why it was decided so, for a case that failed. */
  readonly explanation: Explanation | null
}

/** What a table of cases says of a policy. */
export interface PolicyTestReport {
  readonly policy: PolicyIdentity
  readonly outcomes: readonly CaseOutcome[]
  /** Rules and exceptions that decide in no case, by name. */
  readonly unreached: { readonly rules: readonly string[]; readonly exceptions: readonly string[] }
}

/** Decides every case of a table. The policy's mode does not matter: what is compared is what it would do. */
export function runPolicyTests(policy: CompiledPolicy, { cases }: PolicyTests): PolicyTestReport {
  const outcomes = cases.map((one) => runCase(policy, one))
  const rules = new Set(outcomes.map(({ decided }) => decided.rule))
  const exceptions = new Set(outcomes.map(({ decided }) => decided.exception))
  return {
    policy: policy.identity,
    outcomes,
    unreached: {
      rules: policy.rules.map(({ name }) => name).filter((name) => !rules.has(name)),
      exceptions: policy.exceptions.map(({ name }) => name).filter((name) => !exceptions.has(name)),
    },
  }
}

const keys = ['action', 'rule', 'reason', 'exception'] as const

function runCase(policy: CompiledPolicy, { name, facts, expect }: PolicyTestCase): CaseOutcome {
  const sample = sampleFacts({ 'env.mode': policy.document.mode, ...facts })
  const { wouldBe, rule, reason, exception } = decide(policy, sample)
  const decided: DecidedCase = { action: wouldBe, rule, reason, exception: exception?.name ?? null }
  const differences = keys.flatMap((key): Difference[] => {
    const expected = expect[key]
    return expected === undefined || expected === decided[key]
      ? []
      : [{ key, expected, decided: decided[key] }]
  })
  const explanation = differences.length === 0 ? null : explainDecision(policy, sample)
  return { name, decided, differences, explanation }
}
