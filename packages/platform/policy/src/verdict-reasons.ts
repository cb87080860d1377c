import type { Reason, Status, verdictTable } from '@quantum-ip/verifier'

/**
 * The status of each reason. The table itself is the verifier's, of which a policy imports types only:
 * the compiler refuses this copy as soon as the two differ.
 */
export const statusByReason: { readonly [R in Reason]: (typeof verdictTable)[R]['status'] } = {
  ok: 'verified',
  ok_shallow: 'verified',
  ok_retry: 'verified',
  token_absent: 'missing',
  token_stripped: 'missing',
  token_truncated: 'missing',
  token_malformed: 'invalid',
  key_unknown: 'invalid',
  signature_invalid: 'invalid',
  head_unknown: 'invalid',
  token_expired: 'invalid',
  token_not_yet_valid: 'invalid',
  audience_mismatch: 'invalid',
  binding_mismatch: 'invalid',
  token_replayed: 'invalid',
  key_revoked: 'invalid',
  token_revoked: 'invalid',
  identity_revoked: 'invalid',
  build_revoked: 'invalid',
  attestation_invalid: 'invalid',
  trust_stale: 'unverifiable',
  head_unavailable: 'unverifiable',
  attestation_unavailable: 'unverifiable',
  attestation_stale: 'unverifiable',
  replay_unavailable: 'unverifiable',
  overloaded: 'unverifiable',
}

/** Every reason, in the order of the verifier's table. */
export const allReasons: readonly Reason[] = Object.keys(statusByReason) as Reason[]

/** Every status, in the order of the verifier's table. */
export const allStatuses: readonly Status[] = ['verified', 'missing', 'invalid', 'unverifiable']

/** Whether `text` is a reason of the table. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(statusByReason, text)
}
