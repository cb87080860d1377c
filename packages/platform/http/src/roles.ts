/**
 * The roles of operators, weakest first. Each may do all that the ones before it may.
 *
 * - `viewer` reads: services, decisions, keys, incidents
 * - `operator` acts on traffic and members: admits, revokes tokens, identities and builds, publishes policies, opens incidents and
 *   windows
 * - `key-custodian` acts on keys: creates, rotates, rolls back, revokes keys
 * - `admin` makes and revokes credentials of operators
 */
export const roles = ['viewer', 'operator', 'key-custodian', 'admin'] as const

/** What an operator may do. See {@link roles}. */
export type Role = (typeof roles)[number]

/** Whether `text` is the name of a role. */
export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text)
}

/**
 * Whether who has the role `held` may do what needs `needed`.
 *
 * @example
 * impliesRole('admin', 'operator') // => true
 * impliesRole('viewer', 'operator') // => false
 */
export function impliesRole(held: Role, needed: Role): boolean {
  return roles.indexOf(held) >= roles.indexOf(needed)
}

/**
 * Who may call a route. Every route says it.
 *
 * - `open`: anybody
 * - `session`: an admitted workload, of any role; operators are no workloads and are refused
 * - `member`: an admitted workload with the role `verifier`, or any operator
 * - a role: an operator with that role or one that implies it; the local socket is `admin`
 */
export type Access = 'open' | 'session' | 'member' | Role

/** Whether `value` is an access rule. */
export function isAccess(value: unknown): value is Access {
  return (
    value === 'open' ||
    value === 'session' ||
    value === 'member' ||
    (typeof value === 'string' && isRole(value))
  )
}

/** A workload that the authority admitted. */
export interface Member {
  /** Its service ID. */
  readonly id: string
  /** Whether it was admitted with the role `verifier`, and so may follow the feed. */
  readonly verifier: boolean
}

/** Who called, as the guard found out. */
export type Principal =
  | { readonly kind: 'anonymous' }
  /** Through the Unix socket: its file permissions are the credential. */
  | { readonly kind: 'local'; readonly role: 'admin' }
  | { readonly kind: 'operator'; readonly id: string; readonly name: string; readonly role: Role }
  | { readonly kind: 'member'; readonly member: Member }
