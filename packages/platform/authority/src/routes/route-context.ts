import type { FastifyRequest } from 'fastify'
import { type Member, principalOf } from '@quantum-ip/http'
import { isQipError } from '@quantum-ip/base'
import type { Session } from '../admission/sessions.ts'
import type { Authority } from '../authority.ts'
import { AuthorityError } from '../authority-errors.ts'
import type { Publisher } from '../state/publisher.ts'
import type { Revocations } from '../state/revocations.ts'
import type { Store } from '../store/open-store.ts'

/** A service as configuration declares it. */
export interface DeclaredService {
  readonly id: string
  readonly owner: string | undefined
  readonly tier: string
  readonly stage: string
}

/** What the routes share. */
export interface RouteContext {
  readonly authority: Authority
  readonly services: readonly DeclaredService[]
}

/** What tokens are issued with: by an authority, or by one of several instances. */
export type IssuingPart = Pick<
  Authority,
  'issuer' | 'issuanceRules' | 'exchange' | 'references' | 'clock' | 'sessions'
>

/** What trust is distributed from. */
export interface TrustPart extends Pick<Authority, 'trustDomain' | 'root' | 'rootText' | 'keys'> {
  readonly publisher: Pick<Publisher, 'current' | 'bundleText' | 'subscribe'>
  readonly revocations: Pick<Revocations, 'list'>
  readonly store: Pick<Store, 'sql'>
}

const sessions = new WeakMap<FastifyRequest, Session>()

/** The session that proves that it sent `request`, for the guard; `undefined` if none does. */
export async function authenticateSession(
  authority: Pick<Authority, 'sessions'>,
  authorization: string,
  request: FastifyRequest,
): Promise<Member | undefined> {
  try {
    const session = await authority.sessions.authenticate(authorization, {
      method: request.method,
      target: request.raw.url ?? '',
    })
    sessions.set(request, session)
    return { id: session.sid, verifier: session.role === 'verifier' }
  } catch (error) {
    if (isQipError(error) && error.fault === 'denied') return undefined
    throw error
  }
}

/** The session of a route that only sessions may call. */
export function sessionOf(request: FastifyRequest): Session {
  const session = sessions.get(request)
  if (session === undefined)
    throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', { reason: 'the request has none' })
  return session
}

/** Who called, for the record of acts. */
export function actorOf(request: FastifyRequest): string {
  const principal = principalOf(request)
  switch (principal.kind) {
    case 'operator':
      return principal.name
    case 'member':
      return principal.member.id
    case 'local':
      return 'local'
    case 'anonymous':
      return 'anonymous'
  }
}
