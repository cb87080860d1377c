import type { Reason, Status } from '@quantum-ip/verifier'
import type { Consequence, PolicyMode, Rule } from '../document.ts'
import { isReason, statusByReason } from '../verdict-reasons.ts'
import type { Reader } from './reader.ts'

/**
 * Refuses a rule that asks for what no rule can do, so that nobody believes in a rule that would never hold.
 *
 * Attackers choose what is missing or invalid, and outages what is unverifiable: whatever lets such a
 * request through says so by name.
 */
export function checkRule(rule: Rule, reader: Reader, kind: 'rule' | 'exception' | 'engine' = 'rule'): void {
  if (rule.anonymous && rule.action !== 'allow') {
    throw reader.notNamed(
      `\`anonymous: true\` goes with \`action: allow\` only, in ${kind} \`${rule.name}\``,
      `name the \`reasons\` of the ${kind} instead`,
    )
  }
  if (rule.action === 'reject') return
  for (const reason of rule.reasons ?? []) {
    checkOverloaded(reason, rule.action, reader)
    if (rule.action === 'allow' && statusByReason[reason] === 'missing' && !rule.anonymous) {
      throw reader.notNamed(
        `\`${reason}\` is a caller without a token, which ${kind} \`${rule.name}\` would allow`,
        `write \`anonymous: true\` in the ${kind}, or another action`,
      )
    }
  }
}

/** The same for one line of `default`, whose key is a status or a reason. */
export function checkDefaults(
  line: {
    readonly key: Status | Reason
    readonly consequence: Consequence
    readonly anonymous: boolean
    readonly mode: PolicyMode
  },
  reader: Reader,
): void {
  const { key } = line
  const { action } = line.consequence
  if (action === 'reject' || key === 'verified') return
  if (isReason(key)) checkOverloaded(key, action, reader)
  const status = isReason(key) ? statusByReason[key] : key
  if (status === 'missing' && action === 'allow') {
    if (line.anonymous || line.mode === 'monitor') return
    throw reader.notNamed(
      `\`${key}: allow\` lets callers without a token through`,
      'write `anonymous: true` under `spec`, or `reject`',
    )
  }
  if (isReason(key)) return
  throw reader.notNamed(
    `\`${key}: ${action}\` would speak for reasons that an attacker or an outage chooses`,
    `give \`${key}: reject\`, and each reason that is meant a line or a rule of its own`,
  )
}

function checkOverloaded(reason: Reason, action: string, reader: Reader): void {
  if (reason !== 'overloaded') return
  throw reader.notNamed(`\`overloaded\` is always refused, never \`${action}\``, 'take `overloaded` out')
}
