import { base64, hex, isQipError, limits, trustDomainOf, u32be } from '@quantum-ip/base'
import { evaluateSubtreeInclusion } from '@quantum-ip/log'
import type { Claims, JwtToken, MerkleToken } from '@quantum-ip/token'
import { formatSpan } from './times.ts'

/** One check of a token: how it came out here, and what it is about. */
export interface TokenCheck {
  readonly name: string
  readonly outcome: 'holds' | 'fails' | 'open'
  readonly says: string
}

/** What the checks depend on. */
export interface CheckContext {
  readonly text: string
  readonly nowMs: number
  readonly audience: string | undefined
}

const toleranceMs = limits.clockToleranceS * 1_000
const tolerance = `, with ${limits.clockToleranceS} s of tolerance`

/** Every check that an enforcement point does, in its order: those that can be done without asking anybody are done. */
export function tokenChecks(token: MerkleToken | JwtToken, context: CheckContext): readonly TokenCheck[] {
  const { claims } = token
  return [
    {
      name: 'shape',
      outcome: 'holds',
      says:
        token.form === 'jwt'
          ? 'a JWS of ours and nothing else in its header'
          : 'canonical base64url and deterministic CBOR, nothing after it',
    },
    {
      name: 'limits',
      outcome: 'holds',
      says: `${context.text.length} characters, and every part within its limit`,
    },
    keyCheck(token),
    timeCheck(claims, context.nowMs),
    audienceCheck(claims, context.audience),
    {
      name: 'revocation',
      outcome: 'open',
      says: 'of the key, the token, the caller, the build and every hop: by the signed state',
    },
    ...(token.form === 'jwt' ? [jwtSignature] : [proofCheck(token), headCheck(token)]),
    ...bindingChecks(claims),
    ...attestationChecks(claims),
    ...replayChecks(claims),
  ]
}

const jwtSignature: TokenCheck = {
  name: 'signature',
  outcome: 'open',
  says: 'needs the key out of the trust bundle',
}

function keyCheck(token: MerkleToken | JwtToken): TokenCheck {
  const td = trustDomainOf(token.claims.sub)
  const name = token.form === 'jwt' ? token.kid : hex(u32be(token.keyId))
  return {
    name: 'key',
    outcome: 'open',
    says: `whether ${name} may issue tokens of ${td}: by the trust bundle`,
  }
}

function timeCheck({ iat, exp }: Claims, nowMs: number): TokenCheck {
  const [issuedMs, expiresMs] = [iat * 1_000, exp * 1_000]
  if (nowMs > expiresMs + toleranceMs) {
    return {
      name: 'time',
      outcome: 'fails',
      says: `it ended ${formatSpan(nowMs - expiresMs)} ago${tolerance}`,
    }
  }
  if (nowMs < issuedMs - toleranceMs) {
    return {
      name: 'time',
      outcome: 'fails',
      says: `it begins in ${formatSpan(issuedMs - nowMs)}${tolerance}`,
    }
  }
  return { name: 'time', outcome: 'holds', says: `it is valid now${tolerance}` }
}

function audienceCheck({ aud }: Claims, audience: string | undefined): TokenCheck {
  if (audience === undefined)
    return { name: 'audience', outcome: 'open', says: 'name the service that is asked with --audience' }
  if (aud.includes(audience)) return { name: 'audience', outcome: 'holds', says: `it is for ${audience}` }
  if (aud.includes(trustDomainOf(audience))) {
    return {
      name: 'audience',
      outcome: 'open',
      says: 'it is for the whole trust domain: good where the service accepts that',
    }
  }
  return { name: 'audience', outcome: 'fails', says: `it is not for ${audience}` }
}

function proofCheck(token: MerkleToken): TokenCheck {
  try {
    const hash = evaluateSubtreeInclusion({ ...token, leafHash: token.leafHash, proof: token.path })
    return { name: 'proof', outcome: 'holds', says: `leads to ${base64(hash)}` }
  } catch (error) {
    if (!isQipError(error)) throw error
    return { name: 'proof', outcome: 'fails', says: error.message }
  }
}

function headCheck({ start, end, form }: MerkleToken): TokenCheck {
  const by =
    form === 'standalone'
      ? 'by the signatures that it brings, or the signed state'
      : 'by the signed state, or a stapled head'
  return {
    name: 'head',
    outcome: 'open',
    says: `whether that hash is the signed one of exactly [${start}, ${end}): ${by}`,
  }
}

function bindingChecks({ cnf, req }: Claims): readonly TokenCheck[] {
  return [
    ...(cnf === undefined
      ? []
      : [
          {
            name: 'binding',
            outcome: 'open' as const,
            says: 'the bearer must show the key that it is bound to',
          },
        ]),
    ...(req === undefined
      ? []
      : [
          {
            name: 'request',
            outcome: 'open' as const,
            says: 'the request must be the one that it is bound to',
          },
        ]),
  ]
}

function attestationChecks({ att }: Claims): readonly TokenCheck[] {
  if (att === undefined) return []
  return [
    {
      name: 'attestation',
      outcome: 'open',
      says: 'the deep check: envelope, log entry and admission rule of the build',
    },
  ]
}

function replayChecks({ use }: Claims): readonly TokenCheck[] {
  if (use !== 1) return []
  return [{ name: 'replay', outcome: 'open', says: 'whether it was used before, only its service knows' }]
}
