import type { Json, JsonObject } from '@quantum-ip/base'
import { type CompiledPolicy, explainDecision, type Facts, findCounterfactuals } from '@quantum-ip/policy'

/** Why a policy decides as it does over facts, as JSON: exceptions and rules with what became of them, and what would have changed it. */
export function explainFacts(policy: CompiledPolicy, facts: Facts): JsonObject {
  const { exceptions, rules } = explainDecision(policy, facts)
  const changes = findCounterfactuals(policy, facts)
  // Plain values all the way down, of types that JSON has.
  return { exceptions, rules, changes } as unknown as Record<string, Json>
}

/** The same where nobody has the policy any more. */
export const unexplained: JsonObject = { exceptions: [], rules: [], changes: [] }
