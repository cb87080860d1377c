/** Limits of a policy. Past any of them it is refused at load, so that no decision is ever slow. */
export const policyLimits = {
  rulesMax: 100,
  /** Exceptions of a policy, those included that have ended: what is not used any more is taken out. */
  exceptionsMax: 20,
  /** How long before its end an exception holds: nobody breaks the glass for a year. */
  exceptionDaysMax: 30,
  ownerCharsMax: 128,
  reasonCharsMax: 500,
  nameCharsMax: 63,
  descriptionCharsMax: 500,
  /** Characters of one condition. */
  conditionCharsMax: 2_048,
  /** Operators, operands and calls of one condition. */
  conditionNodesMax: 256,
  /** Depth of a condition's tree, chains of `&&` and `||` counted once. */
  conditionDepthMax: 16,
  /** Cost of one condition; about a tenth of a microsecond each. A pattern costs 100. */
  conditionCostMax: 1_000,
  /** Cost of all conditions of a policy. */
  policyCostMax: 5_000,
  /** Cases of one table of tests. */
  testCasesMax: 1_000,
  patternCharsMax: 256,
  /** What the counted repetitions of a pattern may multiply to. */
  patternRepeatMax: 64,
} as const
