// What a page is about: the ID that alerts are grouped and de-duplicated by.
import type { Reason } from '@quantum-ip/verifier'

/** Each root cause: what it means, and the runbook that begins with it. */
export const rootCauses = {
  key_rotation: {
    runbook: 'rotation-failure.md',
    means: 'tokens under a key that a verifier does not accept',
  },
  header_stripping: {
    runbook: 'header-loss.md',
    means: 'something on the way takes tokens off or cuts them',
  },
  missing_tokens: { runbook: 'header-loss.md', means: 'callers send no token' },
  bad_tokens: { runbook: 'rejections.md', means: 'tokens that do not hold' },
  token_binding: {
    runbook: 'rejections.md',
    means: 'tokens for another service, or bound to another client or request',
  },
  revocation: { runbook: 'rejections.md', means: 'callers or builds that were revoked' },
  clock: { runbook: 'clock-skew.md', means: 'clocks differ' },
  replay: { runbook: 'replay.md', means: 'one-time tokens come twice' },
  replay_store: { runbook: 'redis-loss.md', means: 'the shared replay store does not answer' },
  attestations: {
    runbook: 'attestation-freshness.md',
    means: 'attestations do not verify, or are past their limit',
  },
  ledger: { runbook: 'ledger-outage.md', means: 'registry or ledger is slow or away' },
  trust: { runbook: 'stale-trust.md', means: 'the signed state is old' },
  overload: { runbook: 'verifier-overload.md', means: 'more work than a verifier can do' },
  policy: { runbook: 'wrong-policy.md', means: 'a policy refuses what was verified' },
  false_positives: { runbook: 'false-positives.md', means: 'operators judged refusals to be wrong' },
  stolen_key: { runbook: 'stolen-issuing-key.md', means: 'heads that are in no log' },
  security: { runbook: 'security-event.md', means: 'misuse that the authority noticed' },
  fail_open: { runbook: 'fail-open.md', means: 'requests pass because configuration says so' },
  sampling: { runbook: 'sampling.md', means: 'too few or too many deep checks' },
  deferred_checks: { runbook: 'deferred-checks.md', means: 'deep checks lag behind the answers' },
  decision_log: { runbook: 'decision-log.md', means: 'decisions are not written down' },
  target_down: { runbook: 'target-down.md', means: 'a process cannot be asked for its metrics' },
} as const satisfies Record<string, { readonly runbook: string; readonly means: string }>

/** The ID of a root cause. */
export type RootCause = keyof typeof rootCauses

/** What a refusal for each reason is a symptom of. The compiler asks for a row for each reason of the verdict table. */
export const causeByReason: { readonly [R in Reason]: RootCause } = {
  ok: 'policy',
  ok_shallow: 'policy',
  ok_retry: 'policy',
  token_absent: 'missing_tokens',
  token_stripped: 'header_stripping',
  token_truncated: 'header_stripping',
  token_malformed: 'bad_tokens',
  key_unknown: 'key_rotation',
  signature_invalid: 'bad_tokens',
  head_unknown: 'key_rotation',
  token_expired: 'clock',
  token_not_yet_valid: 'clock',
  audience_mismatch: 'token_binding',
  binding_mismatch: 'token_binding',
  token_replayed: 'replay',
  key_revoked: 'key_rotation',
  token_revoked: 'revocation',
  identity_revoked: 'revocation',
  build_revoked: 'revocation',
  attestation_invalid: 'attestations',
  trust_stale: 'trust',
  head_unavailable: 'trust',
  attestation_unavailable: 'ledger',
  attestation_stale: 'ledger',
  replay_unavailable: 'replay_store',
  overloaded: 'overload',
}

/**
 * Reasons that anybody on the internet can have at will: no token, or something that is none. They are nobody's failure, so they are
 * in no service level; `QuantumIpMissingTokens` watches whether they become more.
 */
export const unattributable: readonly Reason[] = ['token_absent', 'token_malformed']

/** Reasons that count, by their root cause, as one regular expression for each. */
export function reasonsByCause(wants: (reason: Reason) => boolean): ReadonlyMap<RootCause, string> {
  const found = new Map<RootCause, string[]>()
  for (const [reason, cause] of Object.entries(causeByReason) as [Reason, RootCause][]) {
    if (wants(reason)) found.set(cause, [...(found.get(cause) ?? []), reason])
  }
  return new Map([...found].map(([cause, reasons]) => [cause, reasons.join('|')]))
}
