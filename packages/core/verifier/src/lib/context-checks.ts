import { equalBytes, isQipError, trustDomainOf } from '@quantum-ip/base'
import { requestBinding } from '@quantum-ip/token'
import { isAcceptable, type TrustView } from '@quantum-ip/trust'
import type { Reason } from '../verdict.ts'
import type { RequestFacts } from '../verify-input.ts'
import type { Check } from './check.ts'
import { readPossession } from './possession.ts'
import { type TokenFacts, writeHash } from './token-facts.ts'

/*
 * The steps that depend on who asks, when, and what is revoked by now: evaluated on each request,
 * cached token or not. Each returns the reason to refuse, or `undefined`.
 */

/** Step *time*: `exp` and `iat`, with the clock tolerance on both sides. */
export function checkTime({ exp, iat }: TokenFacts, nowMs: number, toleranceS: number): Reason | undefined {
  const nowS = nowMs / 1_000
  if (nowS > exp + toleranceS) return 'token_expired'
  if (nowS < iat - toleranceS) return 'token_not_yet_valid'
  return undefined
}

/** Step *audience*: the very service, or its trust domain where the service opted in and the token is bound to a key. */
export function checkAudience(check: Check, { aud, cnf }: TokenFacts): Reason | undefined {
  const { audience, acceptDomainAudience } = check.input
  for (const one of aud) if (one === audience) return undefined
  if (acceptDomainAudience !== true || cnf === undefined) return 'audience_mismatch'
  const domain = trustDomainOf(audience)
  for (const one of aud) {
    if (one === domain) {
      check.domainAudience = true
      return undefined
    }
  }
  return 'audience_mismatch'
}

// Filled and looked up before anybody else can.
const scratch = new Uint8Array(32)

/** Step *revocation*: key, token, identity and build, of the caller and of every hop of its chain. */
export function checkRevocation(trust: TrustView, check: Check, facts: TokenFacts): Reason | undefined {
  const { key } = check
  if (key === undefined || !isAcceptable(key)) return 'key_revoked'
  const { revocations } = trust
  // Nothing is revoked most of the time.
  if (revocations.size === 0) return facts.hops.length === 0 ? undefined : checkHopKeys(trust, facts)
  if (revocations.isKeyRevokedAt(key.key.kid, facts.log, facts.index)) return 'key_revoked'
  if (
    revocations.isTokenRevoked(writeHash(facts.digestText, scratch)) ||
    revocations.isEntryRevoked(facts.log, facts.index)
  )
    return 'token_revoked'
  if (revocations.isIdentityRevoked(facts.sub, facts.iat)) return 'identity_revoked'
  if (facts.build !== undefined && revocations.isBuildRevoked(facts.build.digest, facts.iat))
    return 'build_revoked'
  if (
    facts.attestation !== undefined &&
    revocations.isEntryRevoked(facts.attestation.log, facts.attestation.index)
  ) {
    return 'build_revoked'
  }
  return facts.hops.length === 0 ? undefined : checkHops(trust, facts)
}

function checkHops(trust: TrustView, facts: TokenFacts): Reason | undefined {
  const { revocations } = trust
  const keys = checkHopKeys(trust, facts)
  if (keys !== undefined) return keys
  for (const hop of facts.hops) {
    if (revocations.isEntryRevoked(hop.logOrigin, hop.index)) return 'token_revoked'
    // The hop's own `iat` is not in the chain. The authority checked it when it exchanged the token, at this one's.
    if (revocations.isIdentityRevoked(hop.sid, facts.iat)) return 'identity_revoked'
    if (
      hop.attestationOrigin !== '' &&
      revocations.isEntryRevoked(hop.attestationOrigin, hop.attestationIndex)
    ) {
      return 'build_revoked'
    }
  }
  return undefined
}

// Only keys that are out are refused: a hop's key may have retired, and left the bundle, since.
function checkHopKeys(trust: TrustView, facts: TokenFacts): Reason | undefined {
  for (const hop of facts.hops) {
    const issuer = trust.cosigners(hop.logOrigin)?.[0]
    if (issuer === undefined) continue
    if (issuer.state === 'compromised') return 'key_revoked'
    if (trust.revocations.isKeyRevokedAt(issuer.key.kid, hop.logOrigin, hop.index)) return 'key_revoked'
  }
  return undefined
}

/**
 * Step *binding*: the request (`req`), then the client's key (`cnf`). What cannot be checked does not hold. `ask`: all of it
 * holds if the signature of `check.proof` does.
 */
export function checkBinding(
  check: Check,
  { cnf, req }: TokenFacts,
  toleranceS: number,
): Reason | 'ask' | undefined {
  if (req !== undefined) {
    if (check.input.request === undefined || !isBoundTo(req, check.input.request)) return 'binding_mismatch'
    check.requestBound = true
  }
  if (cnf === undefined) return undefined
  const isKey = cnf.jkt !== undefined
  const shown = isKey ? check.input.proofKeyThumbprint : check.input.clientCertificateThumbprint
  if (shown !== undefined) {
    if (!equalBytes(shown, isKey ? cnf.jkt : cnf.x5tS256)) return 'binding_mismatch'
    check.binding = isKey ? 'proof_key' : 'certificate'
    return undefined
  }
  if (isKey) check.proof = readPossession(check, cnf.jkt, toleranceS)
  return check.proof === undefined ? 'binding_mismatch' : 'ask'
}

function isBoundTo(req: Uint8Array, request: RequestFacts): boolean {
  const { method, authority, target, contentDigest } = request
  try {
    // Whether the content is bound too is the issuer's choice, and the hash alone tells.
    if (equalBytes(req, requestBinding({ method, authority, target }))) return true
    return (
      contentDigest !== undefined &&
      equalBytes(req, requestBinding({ method, authority, target, contentDigest }))
    )
  } catch (error) {
    // A request with a part that nobody can bind, an overlong target say.
    if (isQipError(error)) return false
    throw error
  }
}
