import { isServiceId, limits } from '@quantum-ip/base'
import type { Claims, Hop } from './claims.ts'
import { TokenError } from './token-errors.ts'

const trustDomainForm = /^spiffe:\/\/[a-z0-9._-]{1,255}$/

/** The highest `n` of a log `…/tokens/<n>` or `…/attestations/<n>`; the lowest is 1. */
export const logNumberMax = 0xffff_ffff

/** Whether a token issued at `iat` may expire at `exp`: 1 to 3,600 s later, a one-time token 1 to 120 s. */
export function isLifetime(iat: number, exp: number, use: 1 | undefined): boolean {
  const ttlS = exp - iat
  return ttlS > 0 && ttlS <= (use === 1 ? limits.oneTimeTtlMaxS : limits.tokenTtlMaxS)
}

/** Whether all audiences are service IDs, or bare trust domains in a token that is bound to a key. */
export function isAudience(claims: Pick<Claims, 'aud' | 'cnf'>): boolean {
  for (const id of claims.aud) {
    if (!isServiceId(id) && (claims.cnf === undefined || !trustDomainForm.test(id))) return false
  }
  return true
}

/**
 * Checks that `claims` are what a token may say, and returns them: sizes, ranges, counts and the rules
 * that hold between claims.
 *
 * @throws {TokenError} `QIP_TOKEN_CLAIMS_INVALID` with the first claim that is wrong.
 */
export function checkClaims(claims: Claims): Claims {
  const wrong = firstWrong(claims)
  if (wrong !== undefined) {
    throw new TokenError('QIP_TOKEN_CLAIMS_INVALID', { claim: wrong, reason: rules[wrong] })
  }
  return claims
}

/** The error for claims whose encoding has `size` bytes, more than 3,072: it names the claim that can grow most. */
export function claimsTooLong(claims: Claims, size: number): TokenError {
  return new TokenError('QIP_TOKEN_CLAIMS_INVALID', {
    claim: claims.chn === undefined ? 'aud' : 'chn',
    reason: `the claims would have ${size} bytes, more than ${limits.claimsBytesMax}`,
  })
}

const rules = {
  sub: 'must be a service ID',
  aud: 'must be 1 to 8 service IDs, exactly 1 in a one-time token; a bare trust domain only with `cnf`',
  exp: 'must be 1 to 3,600 s after `iat`, 1 to 120 s in a one-time token, and below 2^32',
  iat: 'must be seconds since 1970, below 2^32',
  jti: 'must be 16 bytes',
  cnf: 'must be exactly one of `jkt` and `x5t#S256`, 32 bytes',
  bld: 'must be 32 bytes',
  bev: 'must be 0, 1, 2 or 3',
  att: 'must be a log number from 1 to 2^32-1 and an index below 2^48',
  use: 'must be 1 or absent',
  chn: 'must be 1 to 8 hops, each a service ID with log numbers and indexes in range',
  req: 'must be 32 bytes',
} as const satisfies Record<keyof Claims, string>

function firstWrong(claims: Claims): keyof Claims | undefined {
  const { sub, aud, exp, iat, jti, cnf, bld, bev, att, use, chn, req } = claims
  if (typeof sub !== 'string' || !isServiceId(sub)) return 'sub'
  if (!Array.isArray(aud) || aud.length < 1 || aud.length > (use === 1 ? 1 : limits.audienceMax)) return 'aud'
  if (!isAudience(claims)) return 'aud'
  if (!isUint(iat, 0xffff_ffff)) return 'iat'
  if (!isUint(exp, 0xffff_ffff) || !isLifetime(iat, exp, use)) return 'exp'
  if (!isBytes(jti, 16)) return 'jti'
  if (cnf !== undefined && !isConfirmation(cnf)) return 'cnf'
  if (bld !== undefined && !isBytes(bld, 32)) return 'bld'
  if (bev !== undefined && !isUint(bev, 3)) return 'bev'
  if (att !== undefined && !(att.length === 2 && isPosition(att[0], att[1]))) return 'att'
  if (use !== undefined && use !== 1) return 'use'
  if (chn !== undefined && !isChain(chn)) return 'chn'
  if (req !== undefined && !isBytes(req, 32)) return 'req'
  return undefined
}

function isUint(value: unknown, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
}

function isBytes(value: unknown, size: number): boolean {
  return value instanceof Uint8Array && value.length === size
}

function isPosition(log: number, index: number): boolean {
  return isUint(log, logNumberMax) && log > 0 && isUint(index, limits.logIndexEnd - 1)
}

function isConfirmation(cnf: { jkt?: Uint8Array; x5tS256?: Uint8Array }): boolean {
  return cnf.jkt === undefined ? isBytes(cnf.x5tS256, 32) : cnf.x5tS256 === undefined && isBytes(cnf.jkt, 32)
}

function isChain(chain: readonly Hop[]): boolean {
  return (
    Array.isArray(chain) && chain.length >= 1 && chain.length <= limits.chainHopsMax && chain.every(isHop)
  )
}

/** Whether a hop may stand in a chain. */
export function isHop({ sid, attLog, attIndex, log, index }: Hop): boolean {
  if (typeof sid !== 'string' || !isServiceId(sid) || !isPosition(log, index)) return false
  return attLog === 0 ? attIndex === 0 : isPosition(attLog, attIndex)
}
