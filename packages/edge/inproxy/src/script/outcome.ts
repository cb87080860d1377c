import type { ScriptVerdict } from './judge.ts'
import type { Platform } from './platform.ts'

/** How strictly a point goes by what it found out. */
export type ScriptMode = 'monitor' | 'enforce'

/**
 * What is to be done with a request: let through; ask a verifier; refuse, because the token is missing or does not hold (401);
 * refuse, because nothing could be found out (503).
 */
export type Outcome = 'allow' | 'ask' | 'refuse' | 'unavailable'

const unverifiable = [
  'trust_stale',
  'head_unavailable',
  'attestation_unavailable',
  'attestation_stale',
  'replay_unavailable',
  'overloaded',
]

/** The status that a reason belongs to. */
export function statusOfReason(reason: string): string {
  if (reason === 'ok' || reason === 'ok_shallow' || reason === 'ok_retry') return 'verified'
  if (reason === 'token_absent' || reason === 'token_stripped' || reason === 'token_truncated')
    return 'missing'
  return unverifiable.indexOf(reason) < 0 ? 'invalid' : 'unverifiable'
}

/** What a verdict becomes by. */
export interface OutcomeTerms {
  readonly mode: ScriptMode
  /** Whether there is a verifier to ask. */
  readonly canAsk: boolean
  /** Whether the attestation of a build, which is never checked here, may go unchecked (`ok_shallow`). */
  readonly acceptsShallow: boolean
}

/**
 * What to do: what is verified is let through, and nothing else but in monitor mode, which asks nobody. As with the policies of a verifier,
 * `ok_shallow` is enough only where that is said by name.
 */
export function outcomeOf(verdict: ScriptVerdict, terms: OutcomeTerms): Outcome {
  if (terms.mode === 'monitor') return 'allow'
  const status = statusOfReason(verdict.reason)
  const isShallow = verdict.reason === 'ok_shallow' && !terms.acceptsShallow
  if (status === 'verified' && !isShallow) return 'allow'
  if ((verdict.ask || isShallow) && terms.canAsk) return 'ask'
  return status === 'unverifiable' ? 'unavailable' : 'refuse'
}

/** The value of `Quantum-IP-Status`: a dictionary of RFC 9651. Who calls is in it only where that is proven. */
export function statusField(
  verdict: ScriptVerdict,
  outcome: Outcome,
  mode: ScriptMode,
  platform: Platform,
): string {
  const action = outcome === 'allow' ? 'allow' : 'reject'
  const status = statusOfReason(verdict.reason)
  const head = 'status=' + status + ', reason=' + verdict.reason + ', action=' + action + ', mode=' + mode
  const claims = verdict.claims
  if (claims === undefined) return head
  // A service ID has no character that a string of RFC 9651 would escape.
  const named = head + ', sub="' + claims.sub + '"'
  if (claims.bld === undefined) return named
  const digest = platform.encode(claims.bld).replace(/-/g, '+').replace(/_/g, '/') + '='
  return named + ', bld=:' + digest + ':, bev=' + claims.bev
}
