import { limits } from '@quantum-ip/base'
import { isHop } from './claims-rules.ts'
import type { Claims, Hop } from './claims.ts'
import { TokenError } from './token-errors.ts'

/** The hop that stands for a token: its caller, the attestation it named (0, 0 where none), and where it was logged. */
export function hopOf(claims: Claims, position: { readonly log: number; readonly index: number }): Hop {
  const [attLog, attIndex] = claims.att ?? [0, 0]
  return { sid: claims.sub, attLog, attIndex, log: position.log, index: position.index }
}

/**
 * The chain of the token that is exchanged for the one with `claims`: the chain of that token, and `hop` for the
 * token itself (made with {@link hopOf}).
 *
 * The chain proves who *was* in the call. It cannot prove who was not: a service that begins anew leaves no hop.
 *
 * @throws {TokenError} `QIP_TOKEN_CHAIN_REFUSED` if the chain has 8 hops already, or if `hop` is malformed or not the caller of `claims`.
 */
export function extendChain(claims: Claims, hop: Hop): readonly Hop[] {
  const chain = claims.chn ?? []
  if (chain.length >= limits.chainHopsMax) throw refused(`it has ${limits.chainHopsMax} hops already`)
  if (hop.sid !== claims.sub) throw refused('the hop is not the caller of the token')
  if (!isHop(hop)) throw refused('the hop has a number out of range')
  return [...chain, hop]
}

function refused(reason: string): TokenError {
  return new TokenError('QIP_TOKEN_CHAIN_REFUSED', { reason })
}
