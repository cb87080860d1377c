import type { Reason } from '@quantum-ip/verifier'

/** What would change a verdict, for whoever operates the services on both sides. One sentence for each reason. */
export const advice: Readonly<Record<Reason, string>> = {
  ok: "nothing: the token is good, and what happened is the policy's doing",
  ok_shallow:
    'a deep check of the attestation: set `attestations.deepCheck`, or accept `verdict.deep == false` by name in the policy',
  ok_retry: 'nothing: it is a retry that configuration allows',
  token_absent:
    'a token: the caller sends none. `qip token issue` draws one by hand, the middleware does so on each call',
  token_stripped:
    'a proxy between the two that lets the `Quantum-IP` field through: the caller attached a token, and it did not arrive',
  token_truncated:
    'a proxy between the two with a higher limit for header fields; or reference tokens, of 33 characters',
  token_malformed: 'one well-formed token: look at it with `qip token inspect`',
  key_unknown: 'a token of this trust domain: its key was never in the trust bundle, or has retired',
  signature_invalid: 'the token as it was issued: it was changed on its way, or never issued',
  head_unknown:
    'a token that was issued: the log has moved past its place, and no signed head ever covered it',
  token_expired:
    'a fresh token: the caller must draw a new one before this one ends; compare the clocks if it was fresh',
  token_not_yet_valid:
    "the right time: the caller's token is from the future by this clock. Compare the clocks",
  audience_mismatch: 'a token for this service: the caller drew it for another one',
  binding_mismatch:
    'the key, certificate or request that the token is bound to; or an enforcement point that can check it',
  token_replayed:
    'a one-time token for each request: this one was used before, by the caller or by somebody who saw it',
  key_revoked: 'a token under a key that is not revoked: callers get one by drawing anew',
  token_revoked: 'another token: this very one is revoked',
  identity_revoked: 'the end of the revocation: the service is revoked, whatever token it shows',
  build_revoked: 'another build: this one is revoked, and its workloads get no tokens',
  attestation_invalid:
    'an attestation that verifies, by a builder that may build this service: `qip verify <artifact>` says what is wrong',
  trust_stale: 'a way to the authority: the signed trust state here is too old',
  head_unavailable:
    'a way to the authority, or a `Quantum-IP-Head` field beside the token: its signed head is not known here',
  attestation_unavailable: 'a way to the registry: the attestation cannot be had, and nothing is cached',
  attestation_stale: 'a way to the registry: what is cached of the attestation is too old',
  replay_unavailable:
    'a token that was issued after this enforcement point started; or its shared store, where that is away',
  overloaded: 'less load, or more instances: this one was shed',
}
