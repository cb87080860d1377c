import { assemblePolicy, type CompiledPolicy } from './assemble-policy.ts'
import { compileCondition } from './condition.ts'
import type { Locate, PolicyDocument } from './document.ts'

/**
 * Checks a policy's conditions against the schema of facts and makes it ready to decide.
 *
 * @throws {PolicyError} `QIP_POLICY_CONDITION_MALFORMED`, `QIP_POLICY_FACT_UNKNOWN`, `QIP_POLICY_HAS_REFUSED`,
 * `QIP_POLICY_FUNCTION_UNKNOWN`, `QIP_POLICY_CONDITION_TYPE`, `QIP_POLICY_LIMIT_EXCEEDED`,
 * `QIP_POLICY_NOT_NAMED`; each with the path of the condition and the place within it.
 */
export function compilePolicy(
  document: PolicyDocument,
  options: { readonly locate?: Locate } = {},
): CompiledPolicy {
  return assemblePolicy(document, compileCondition, options)
}
