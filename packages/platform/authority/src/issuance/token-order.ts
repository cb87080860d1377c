import { limits, parseServiceId, type ServiceId, type TrustDomain, trustDomainOf } from '@quantum-ip/base'
import type { Claims, Confirmation, Hop } from '@quantum-ip/token'
import { AuthorityError } from '../authority-errors.ts'
import type { Session, SessionBuild } from '../admission/sessions.ts'

/** The forms in which tokens are handed out. */
export type IssuedForm = 'compact' | 'standalone' | 'jwt' | 'reference'

/** What a session asks for: `count` tokens that differ in their nonce alone. */
export interface TokenOrder {
  readonly session: Session
  readonly audience: readonly ServiceId[]
  readonly count: number
  readonly ttlS: number
  readonly oneTime: boolean
  readonly form: IssuedForm
  readonly build: SessionBuild | undefined
  readonly confirmation: Confirmation | undefined
  readonly requestBinding: Uint8Array | undefined
  readonly chain: readonly Hop[]
  /** Not after this, seconds: a token that is exchanged never outlives the one it came from. */
  readonly notAfterS: number | undefined
  /** May wait up to a second to share a batch: it refreshes a token that still holds. */
  readonly patient: boolean
}

/** What the caller wrote, as far as the schema of the route checks it. */
export interface TokenOrderInput {
  readonly audience: string | readonly string[]
  readonly count?: number
  readonly ttl?: number
  readonly oneTime?: boolean
  readonly form?: IssuedForm
  readonly build?: string
  readonly patient?: boolean
}

/** Rules of the trust domain for tokens. */
export interface IssuanceRules {
  readonly td: TrustDomain
  readonly ttlDefaultS: number
  readonly oneTimeTtlDefaultS: number
  /** Whether tokens are issued as JWTs, too. */
  readonly jwt: boolean
}

/** Members of an order that do not come from the caller's own words. */
export interface OrderContext {
  readonly session: Session
  readonly confirmation?: Confirmation
  readonly requestBinding?: Uint8Array
  readonly chain?: readonly Hop[]
  readonly notAfterS?: number
}

/**
 * Checks an order against the rules of tokens: audiences, lifetimes, the session's builds.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_TOKEN_REFUSED` with the reason and the way out.
 */
export function parseTokenOrder(
  input: TokenOrderInput,
  context: OrderContext,
  rules: IssuanceRules,
): TokenOrder {
  const oneTime = input.oneTime ?? false
  if (input.form === 'jwt' && !rules.jwt) {
    throw refused(
      'this trust domain issues no JWTs',
      'ask for another form, or set `issuance.jwt.enabled` at the authority',
    )
  }
  const audience = parseAudience(input.audience, {
    oneTime,
    rules,
    bound: context.confirmation !== undefined,
  })
  return {
    session: context.session,
    audience,
    count: input.count ?? 1,
    ttlS: parseTtl(input.ttl, oneTime, rules),
    oneTime,
    form: input.form ?? 'compact',
    build: chooseBuild(context.session, input.build),
    confirmation: context.confirmation,
    requestBinding: context.requestBinding,
    chain: context.chain ?? [],
    notAfterS: context.notAfterS,
    patient: input.patient ?? false,
  }
}

function refused(reason: string, next?: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_TOKEN_REFUSED', { reason, ...(next !== undefined && { next }) })
}

interface AudienceRules {
  readonly oneTime: boolean
  readonly bound: boolean
  readonly rules: IssuanceRules
}

function parseAudience(
  input: string | readonly string[],
  { oneTime, bound, rules }: AudienceRules,
): readonly string[] {
  const audience = typeof input === 'string' ? [input] : input
  if (audience.length === 0) throw refused('it has no audience', 'name the service ID that is called')
  if (audience.length > limits.audienceMax) throw refused(`more than ${limits.audienceMax} audiences`)
  if (oneTime && audience.length > 1) throw refused('a one-time token has exactly one audience')
  if (new Set(audience).size !== audience.length) throw refused('an audience is named twice')
  for (const id of audience) {
    if (id === rules.td && bound) continue
    if (id === rules.td) {
      throw refused(
        'the whole trust domain as audience needs a confirmation key',
        'name services, or bind the token to a key',
      )
    }
    if (trustDomainOf(parseServiceId(id)) !== rules.td)
      throw refused(`the audience \`${id}\` is of another trust domain`)
  }
  return audience
}

function parseTtl(ttl: number | undefined, oneTime: boolean, rules: IssuanceRules): number {
  const most = oneTime ? limits.oneTimeTtlMaxS : limits.tokenTtlMaxS
  if (ttl === undefined) return Math.min(oneTime ? rules.oneTimeTtlDefaultS : rules.ttlDefaultS, most)
  if (ttl > most)
    throw refused(
      `a lifetime of ${ttl} s is over the limit of ${most} s`,
      'ask for a shorter one and refresh it',
    )
  return ttl
}

function chooseBuild(session: Session, wanted: string | undefined): SessionBuild | undefined {
  if (wanted === undefined) {
    if (session.builds.length <= 1) return session.builds[0]
    throw refused('the session has several builds', 'name one of them in `build`')
  }
  const found = session.builds.find(({ digest }) => digest === wanted)
  if (found === undefined) throw refused(`the session was not admitted with build \`${wanted}\``)
  return found
}

/** The claims of one token of an order. */
export function claimsOf(order: TokenOrder, nowS: number, jti: Uint8Array): Claims {
  const { session, build, confirmation, requestBinding, chain, notAfterS } = order
  return {
    sub: session.sid,
    aud: order.audience,
    exp: Math.min(nowS + order.ttlS, notAfterS ?? Number.MAX_SAFE_INTEGER),
    iat: nowS,
    jti,
    ...(confirmation !== undefined && { cnf: confirmation }),
    ...(build !== undefined && { bld: build.bytes, bev: build.evidence }),
    ...(build?.attestation !== undefined && { att: build.attestation }),
    ...(order.oneTime && { use: 1 as const }),
    ...(chain.length > 0 && { chn: chain }),
    ...(requestBinding !== undefined && { req: requestBinding }),
  }
}
