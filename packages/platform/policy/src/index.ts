export { builtinPolicy } from './builtin-policy.ts'
export { inCanary } from './canary.ts'
export {
  type CompiledConsequence,
  type CompiledEngine,
  type CompiledException,
  type CompiledPolicy,
  type CompiledRule,
  type PolicyIdentity,
} from './assemble-policy.ts'
export { compilePolicy } from './compile-policy.ts'
export {
  type CompileReadOptions,
  compileReadPolicy,
  locateIn,
  type OtherMode,
  type ReadPolicy,
} from './compile-read-policy.ts'
export { type Condition, compileCondition } from './condition.ts'
export { type Counterfactual, type FactChange, findCounterfactuals } from './counterfactual.ts'
export { decideWith } from './decide-with.ts'
export { asksEngine, decide } from './decide.ts'
export {
  type Decision,
  type DecisionReason,
  type ExceptionUse,
  type PolicyObserver,
  decisionReasons,
} from './decision.ts'
export { diffPolicies, type PolicyChange } from './diff-policies.ts'
export type {
  Action,
  Consequence,
  Defaults,
  EngineClause,
  Locate,
  PolicyDocument,
  PolicyException,
  PolicyMode,
  Quarantine,
  Rule,
} from './document.ts'
export type { EngineAnswer, EngineFault, PolicyEngine } from './engine.ts'
export {
  type ExceptionExplanation,
  type Explanation,
  type RuleExplanation,
  type RuleOutcome,
  explainDecision,
} from './explain.ts'
export { factsReference } from './facts-reference.ts'
export {
  type PolicyEnvironment,
  type FactName,
  type FactRow,
  type FactSource,
  type FactType,
  type FactValue,
  type FactValues,
  type Facts,
  type PolicyRequest,
  factNames,
  factRow,
  factSchema,
  isFactName,
} from './facts.ts'
export { policyLimits } from './limits.ts'
export { newPolicy } from './new-policy.ts'
export { defaultQuarantine } from './default-quarantine.ts'
export { parsePolicy, policyApiVersion } from './parse-policy.ts'
export { type Place, PolicyError, type PolicyErrorDetails } from './policy-errors.ts'
export { newPolicyTests } from './new-policy-tests.ts'
export {
  type ExpectedDecision,
  type PolicyTestCase,
  type PolicyTests,
  parsePolicyTests,
} from './policy-tests.ts'
export { factsOf, snapshotFacts } from './read-facts.ts'
export {
  type CaseOutcome,
  type DecidedCase,
  type Difference,
  type PolicyTestReport,
  runPolicyTests,
} from './run-policy-tests.ts'
export { sampleFacts } from './sample-facts.ts'
