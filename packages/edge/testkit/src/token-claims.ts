import { parseHex, parseServiceId, type Random, type ServiceId } from '@quantum-ip/base'
import type { BindingEvidence, Claims, Confirmation } from '@quantum-ip/token'

/** What a test token is to say. What is left out gets a value that makes it good. */
export interface TestTokenOrder {
  /** The caller. Default: the service `caller` of the trust domain. */
  readonly identity?: ServiceId
  /** Whom it is for. Default: the service `service` of the trust domain. */
  readonly audience?: ServiceId | readonly ServiceId[]
  /** SHA-256 of the caller's artifact, bytes or lowercase hex. Default: it names none. */
  readonly build?: string | Uint8Array
  /** How the build was established: 0 declared, 1 platform, 2 measured, 3 hardware. Default 1, where there is a build. */
  readonly evidence?: BindingEvidence
  /** Seconds. Default 300, for a one-time token 60. */
  readonly ttlS?: number
  /** Good for one request. Default false. */
  readonly oneTime?: boolean
  /** Binds it to a key or certificate of the bearer. */
  readonly confirmation?: Confirmation
  /** Binds it to one request; see `requestBinding` of `@quantum-ip/token`. */
  readonly requestBinding?: Uint8Array
}

/** The place where claims are made. */
export interface ClaimsPlace {
  readonly td: string
  readonly random: Random
  /** When the token was issued; seconds. */
  readonly issuedS: number
}

/** The claims of an order. */
export function claimsOf(order: TestTokenOrder, { td, random, issuedS }: ClaimsPlace): Claims {
  const { identity = `${td}/caller`, audience = `${td}/service`, build, evidence = 1, oneTime } = order
  const { ttlS = oneTime === true ? 60 : 300, confirmation, requestBinding } = order
  return {
    sub: parseServiceId(identity),
    aud: typeof audience === 'string' ? [audience] : audience,
    exp: issuedS + ttlS,
    iat: issuedS,
    jti: random.bytes(16),
    ...(build !== undefined && { bld: typeof build === 'string' ? parseHex(build) : build, bev: evidence }),
    ...(oneTime === true && { use: 1 as const }),
    ...(confirmation !== undefined && { cnf: confirmation }),
    ...(requestBinding !== undefined && { req: requestBinding }),
  }
}
