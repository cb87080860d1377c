export { Alertness } from './alertness.ts'
export { type DecisionKeeping, type DecisionKeepingOptions, openDecisionKeeping } from './decision-keeping.ts'
export { RolledOutPolicies, type RolledOutPoliciesOptions } from './rolled-out-policies.ts'
export { type GaugedParts, verifierGauges, watchPropagation } from './verifier-gauges.ts'
