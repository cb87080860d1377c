import type { QuantumIpCall } from '../../src/index.ts'
import type { Seen } from './scene.ts'

/** What a handler answers with. */
export function seenBy(call: QuantumIpCall, headers: object, body: string): Seen {
  const { verdict, identity, action, decisionId } = call
  return {
    ...(identity !== undefined && { identity }),
    reason: verdict.reason,
    action,
    decisionId,
    headers: headers as Record<string, unknown>,
    body,
  }
}
