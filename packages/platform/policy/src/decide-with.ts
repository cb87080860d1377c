import type { CompiledPolicy } from './assemble-policy.ts'
import { asksEngine, decide } from './decide.ts'
import type { Decision } from './decision.ts'
import type { PolicyEngine } from './engine.ts'
import type { Facts } from './facts.ts'

/**
 * Decides over a request like {@link decide}, and asks the policy's engine where its own exceptions and rules leave it the word.
 *
 * A value where nobody has to be waited for: always for policies in CEL alone. An engine that is not among `engines` is unavailable.
 */
export function decideWith(
  policy: CompiledPolicy,
  facts: Facts,
  engines: ReadonlyMap<string, PolicyEngine> | undefined,
): Decision | Promise<Decision> {
  if (policy.engine === null || !asksEngine(policy, facts)) return decide(policy, facts)
  const answer = engines?.get(policy.engine.name)?.ask(facts)
  if (!(answer instanceof Promise)) return decide(policy, facts, undefined, answer)
  return answer.then((given) => decide(policy, facts, undefined, given))
}
