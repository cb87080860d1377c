import { celEnv, isCelError, parse, plan } from '@bufbuild/cel'
import { policyLimits } from '../limits.ts'
import { type Place, PolicyError } from '../policy-errors.ts'
import type { Node } from './condition-tree.ts'

/**
 * Checks the pattern of `matches`: a literal that RE2 accepts, small enough that compiling and running it
 * stays cheap. RE2 has no backtracking: its time is linear in the text, whatever the pattern
 * (https://github.com/google/re2/wiki/Syntax).
 *
 * @throws {PolicyError} `QIP_POLICY_CONDITION_MALFORMED`, `QIP_POLICY_LIMIT_EXCEEDED`.
 */
export function checkPattern(node: Node | undefined, at: Place): void {
  const offset = node?.at ?? 0
  if (node?.kind !== 'literal' || typeof node.value !== 'string') {
    const reason = 'the pattern of `matches` is a text in quotes, so that it is checked at load'
    throw new PolicyError('QIP_POLICY_CONDITION_MALFORMED', { at, offset, reason })
  }
  const pattern = node.value
  if (pattern.length > policyLimits.patternCharsMax)
    throw tooLarge(at, 'characters', policyLimits.patternCharsMax)
  if (repeats(pattern) > policyLimits.patternRepeatMax) {
    throw tooLarge(at, 'counted repetitions', policyLimits.patternRepeatMax)
  }
  if (!isRe2(pattern)) {
    const reason =
      'the pattern of `matches` is not of the RE2 syntax, which has no back-references or look-around'
    throw new PolicyError('QIP_POLICY_CONDITION_MALFORMED', { at, offset, reason })
  }
}

// A counted repetition is written out when a pattern is compiled, and nested ones multiply: `(.{30}){30}`.
// The product of all of them is an upper bound for that.
function repeats(pattern: string): number {
  let product = 1
  for (const [, from = '', to = ''] of pattern.matchAll(/\{(\d*),?(\d*)\}/g)) {
    product *= Math.max(1, Number(from), Number(to))
  }
  return product
}

const probe = plan(celEnv(), parse('"".matches(pattern)'))

function isRe2(pattern: string): boolean {
  return !isCelError(probe({ pattern }))
}

function tooLarge(at: Place, what: string, limit: number): PolicyError {
  return new PolicyError('QIP_POLICY_LIMIT_EXCEEDED', { at, what: `${what} of a pattern`, limit })
}
