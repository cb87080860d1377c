import type { JsonObject } from '@quantum-ip/base'
import { base64url } from '@quantum-ip/base'
import type { PolicyRollout } from '@quantum-ip/trust'
import { Type } from 'typebox'
import type { HeldPolicy } from '../fleet.ts'
import { closed } from './schemas.ts'

/** The name of a policy. */
export const policyNameSchema = Type.String({ pattern: '^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$' })

/** A number in a path. */
export const numberSchema = Type.String({ pattern: '^[1-9][0-9]{0,14}$' })

const count = Type.Integer({ minimum: 0 })

/** What a member says of a policy that it holds. */
export const heldPolicySchema = closed({
  name: policyNameSchema,
  rollout: Type.Integer({ minimum: 0, description: 'that it decides by; 0 for none' }),
  version: count,
  candidate: Type.Optional(count),
  refused: Type.Optional(closed({ rollout: count, reason: Type.String({ maxLength: 512 }) })),
})

/** What a member holds of a policy, as the API shows it. */
export function heldPolicyJson({ refused, ...held }: HeldPolicy): JsonObject {
  return { ...held, ...(refused !== undefined && { refused: { ...refused } }) }
}

/** A rollout as the API shows it. */
export function rolloutJson(rollout: PolicyRollout): JsonObject {
  const { policy, number, previous, timeMs, action, by, reason, active, candidate } = rollout
  return {
    policy,
    number,
    ...(previous !== undefined && { previous: base64url(previous) }),
    timeMs,
    action,
    by,
    reason,
    active: {
      version: active.version,
      sha256: base64url(active.sha256),
      ...(active.mode !== undefined && { mode: active.mode }),
      ...(active.mode === 'canary' && { share: active.share }),
    },
    ...(candidate !== undefined && {
      candidate: { version: candidate.version, sha256: base64url(candidate.sha256), share: candidate.share },
    }),
  }
}
