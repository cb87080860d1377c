import type { Random } from '@quantum-ip/base'
import { type Claims, encodeClaims, jwtPayload, tokenDigest, tokenEntry } from '@quantum-ip/token'
import { claimsOf, type TokenOrder } from './token-order.ts'

/** One token on its way: what it says, what is logged, and what it becomes. */
export interface TokenDraft {
  readonly claims: Claims
  /** Encoded claims, or the payload of a JWT. */
  readonly bytes: Uint8Array
  readonly entry: Uint8Array
}

/** Where the tokens of an order will be, as far as that is known before they are logged. */
export interface DraftPlace {
  /** Number of the token log. */
  readonly log: number
  readonly first: number
  readonly nowS: number
}

/** The tokens of an order, each with a nonce of its own. @throws {TokenError} for claims that make no token */
export function draftTokens(
  order: TokenOrder,
  { log, first, nowS }: DraftPlace,
  random: Random,
): readonly TokenDraft[] {
  const form = order.form === 'jwt' ? 'jwt' : 'merkle'
  return Array.from({ length: order.count }, (_, nth) => {
    const claims = claimsOf(order, nowS, random.bytes(16))
    const bytes = form === 'jwt' ? jwtPayload({ claims, log, index: first + nth }) : encodeClaims(claims)
    const entry = tokenEntry({ form, exp: claims.exp, digest: tokenDigest(bytes) })
    return { claims, bytes, entry }
  })
}
