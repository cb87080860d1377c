import type { Json } from '@quantum-ip/base'
import type { EngineAnswer } from '@quantum-ip/policy'

const actions = ['allow', 'reject', 'quarantine'] as const
const ruleForm = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

/** The answer that is no decision. */
export const malformed: EngineAnswer = { kind: 'unavailable', fault: 'malformed' }
const silent: EngineAnswer = { kind: 'silent' }

/**
 * What the value of a document says: a bool, an action, or an action with the name of a rule. `undefined`, no value, leaves it to the defaults.
 *
 * INVARIANT: whatever is not plainly an action is no decision. A name that no rule could have is left out: it goes into labels and logs.
 */
export function answerOf(result: Json | undefined): EngineAnswer {
  if (result === undefined) return silent
  if (typeof result === 'boolean') return { kind: 'decided', action: result ? 'allow' : 'reject', rule: null }
  if (typeof result === 'string') return decided(result, null)
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return malformed
  const { action, rule } = result
  return decided(action, typeof rule === 'string' && ruleForm.test(rule) ? rule : null)
}

function decided(text: Json | undefined, rule: string | null): EngineAnswer {
  const action = actions.find((one) => one === text)
  return action === undefined ? malformed : { kind: 'decided', action, rule }
}
