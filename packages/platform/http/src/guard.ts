import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '@quantum-ip/base'
import { type CredentialStore, isOperatorCredential, verifyCredential } from './credentials.ts'
import { HttpError } from './http-errors.ts'
import { type Access, impliesRole, isAccess, type Member, type Principal, type Role } from './roles.ts'
import { tlsGroupOf } from './tls/group.ts'

/**
 * Who the workload is that sent this `Authorization` field, or `undefined` where it is nobody's.
 * The authority passes it in; it may look at the whole request, for proofs of possession.
 */
export type AuthenticateMember = (
  authorization: string,
  request: FastifyRequest,
) => Promise<Member | undefined> | Member | undefined

/** What the guard asks. */
export interface GuardOptions {
  readonly credentials?: CredentialStore
  readonly authenticateMember?: AuthenticateMember
  readonly clock?: Clock
  /** Takes credentials over unencrypted connections that are not on the loopback: behind something that ends TLS. */
  readonly plaintextCredentials?: boolean
}

/** How a connection came in. */
export interface Arrival {
  readonly unixSocket: boolean
}

const arrivals = new WeakMap<IncomingMessage, Arrival>()
const principals = new WeakMap<FastifyRequest, Principal>()
const anonymous: Principal = { kind: 'anonymous' }

/** Notes through which listener a request came, before it is routed. */
export function markArrival(request: IncomingMessage, arrival: Arrival): void {
  arrivals.set(request, arrival)
}

/** Who called, as the guard found out. On `open` routes everybody is anonymous: nobody was asked. */
export function principalOf(request: FastifyRequest): Principal {
  return principals.get(request) ?? anonymous
}

/** Whether the request came over an address of this machine only, or the Unix socket. */
export function isLocal(request: FastifyRequest): boolean {
  if (arrivals.get(request.raw)?.unixSocket === true) return true
  const address = request.raw.socket.remoteAddress ?? ''
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

/**
 * Lets the caller of a route in by its access rule, before its body is read.
 *
 * @throws {HttpError} `QIP_HTTP_CREDENTIAL_MISSING`, `QIP_HTTP_CREDENTIAL_INVALID`, `QIP_HTTP_CREDENTIAL_IN_PLAINTEXT`
 * or `QIP_HTTP_ROLE_MISSING`.
 */
export async function guard(request: FastifyRequest, options: GuardOptions): Promise<void> {
  const { access, postQuantum = false } = request.routeOptions.config
  // INVARIANT: a route without a rule was refused at start-up; should one exist all the same, nobody may call it.
  if (!isAccess(access))
    throw new HttpError('QIP_HTTP_ACCESS_UNDECLARED', { route: request.routeOptions.url ?? '' })
  if (postQuantum && !isLocal(request) && tlsGroupOf(request.raw.socket) !== 'X25519MLKEM768') {
    throw new HttpError('QIP_HTTP_POST_QUANTUM_REQUIRED', {})
  }
  if (access === 'open') return
  const principal = await identify(request, access, options)
  if (!mayCall(principal, access))
    throw new HttpError('QIP_HTTP_ROLE_MISSING', { access: describeAccess(access) })
  principals.set(request, principal)
}

async function identify(request: FastifyRequest, access: Access, options: GuardOptions): Promise<Principal> {
  const authorization = authorizationOf(request.raw)
  if (authorization === undefined) {
    // The local admin is no workload: where a session is asked for, the socket must carry one, too.
    if (arrivals.get(request.raw)?.unixSocket === true && access !== 'session')
      return { kind: 'local', role: 'admin' }
    throw new HttpError('QIP_HTTP_CREDENTIAL_MISSING', { access: describeAccess(access) })
  }
  if (
    !isLocal(request) &&
    tlsGroupOf(request.raw.socket) === undefined &&
    options.plaintextCredentials !== true
  ) {
    throw new HttpError('QIP_HTTP_CREDENTIAL_IN_PLAINTEXT', {})
  }
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  if (bearer !== undefined && isOperatorCredential(bearer)) return await operator(bearer, options)
  const member = await options.authenticateMember?.(authorization, request)
  if (member === undefined) throw new HttpError('QIP_HTTP_CREDENTIAL_INVALID', {})
  return { kind: 'member', member }
}

async function operator(bearer: string, { credentials, clock }: GuardOptions): Promise<Principal> {
  if (credentials === undefined) throw new HttpError('QIP_HTTP_CREDENTIAL_INVALID', {})
  const record = await verifyCredential({
    store: credentials,
    bearer,
    ...(clock === undefined ? {} : { clock }),
  })
  return { kind: 'operator', id: record.id, name: record.name, role: record.role }
}

function mayCall(principal: Principal, access: Exclude<Access, 'open'>): boolean {
  switch (principal.kind) {
    case 'anonymous':
      return false
    case 'member':
      return access === 'session' || (access === 'member' && principal.member.verifier)
    case 'local':
    case 'operator':
      if (access === 'session') return false
      return access === 'member' || impliesRole(principal.role, access)
  }
}

// Node keeps the first of two Authorization fields in silence; another reader may take the second.
function authorizationOf(request: IncomingMessage): string | undefined {
  let found: string | undefined
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]?.toLowerCase() !== 'authorization') continue
    if (found !== undefined)
      throw new HttpError('QIP_HTTP_REQUEST_MALFORMED', { reason: 'two Authorization fields' })
    found = request.rawHeaders[i + 1]
  }
  return found
}

/** An access rule in words. */
export function describeAccess(access: Access): string {
  switch (access) {
    case 'open':
      return 'open to all'
    case 'session':
      return 'the session of an admitted workload'
    case 'member':
      return 'the session of a workload with the role `verifier`, or any operator'
    case 'viewer':
    case 'operator':
    case 'key-custodian':
    case 'admin':
      return `the role \`${access}\``
  }
}

/** The configuration of a route that needs `role`: `{ config: requireRole('operator') }`. */
export function requireRole(role: Role): { readonly access: Role } {
  return { access: role }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. Mandatory. */
    access?: Access
    /** Takes `application/x-www-form-urlencoded`, as OAuth's endpoints do. Others take JSON. */
    form?: boolean
    /** Off the loopback, only over a connection with X25519MLKEM768. */
    postQuantum?: boolean
    /** Answers for as long as the client stays: not counted as in flight, no time-out. */
    longLived?: boolean
    /** Always answered, also by an overloaded or stopping server. */
    vital?: boolean
  }
}
