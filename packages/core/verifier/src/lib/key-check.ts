import type { TrustView } from '@quantum-ip/trust'
import type { Reason } from '../verdict.ts'
import type { Check } from './check.ts'
import type { TokenFacts } from './token-facts.ts'

/** What the step *key* goes by. */
export interface KeyRules {
  readonly trust: TrustView
  readonly staleAfterMs: number
  readonly acceptsStale: boolean
}

/**
 * Step *key*: looks the key up by trust domain, key ID and use, and notes how old the trust state is.
 *
 * Only a fresh state can say that there is no such key. The log's origin comes from the key record,
 * never from the token.
 */
export function checkKey(check: Check, facts: TokenFacts, rules: KeyRules): Reason | undefined {
  const { trust, staleAfterMs, acceptsStale } = rules
  const staleness = trust.staleness(check.nowMs, staleAfterMs)
  check.isFresh = staleness === undefined
  // What is accepted is an old state. An expired bundle or root document is not trusted by anybody.
  check.acceptsStale = acceptsStale && (staleness === 'state_old' || staleness === 'no_state')
  const isJwt = facts.form === 'jwt'
  const key = isJwt
    ? trust.keyByKid(facts.td, facts.kid, 'qip-jwt')
    : trust.keyFor(facts.td, facts.keyId, 'qip-token')
  // Another key under the same four bytes is not the one that a cached token was proven with.
  if (key === undefined || key.state === 'planned' || (check.isProven && key.key.kid !== facts.kid)) {
    return check.isFresh ? 'key_unknown' : 'trust_stale'
  }
  check.key = key
  if (isJwt) return key.log === undefined || key.log === facts.log ? undefined : 'signature_invalid'
  facts.place(key.key.kid, key.log ?? '')
  return undefined
}
