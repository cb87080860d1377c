import {
  base64url,
  type Clock,
  type Json,
  parseHex,
  parseServiceId,
  type Random,
  type ServiceId,
  type TrustDomain,
  trustDomainOf,
  utf8,
} from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql } from '../store/sql.ts'
import type { AdmissionMethod } from './admission-method.ts'
import type { SessionRole } from './sessions.ts'

/** What a join token admits: one service ID, exactly these builds, once. */
export interface JoinTokenOrder {
  readonly sid: ServiceId
  readonly builds: readonly string[]
  readonly role: SessionRole
  readonly ttlS: number
}

const prefix = 'qipj1.'
const form = /^qipj1\.[A-Za-z0-9_-]{43}$/
const buildsMax = 32

/** What join tokens are made and checked with. */
export interface JoinTokenOptions {
  readonly sql: Sql
  readonly clock: Clock
  readonly random: Random
  readonly td: TrustDomain
}

/**
 * Makes a join token: a secret to be carried to the workload once. Only its hash is kept.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_ADMISSION_REFUSED` if the service is of another trust domain
 * @throws {BaseError} for a malformed service ID or digest
 */
export async function createJoinToken(
  { sql, clock, random, td }: JoinTokenOptions,
  order: JoinTokenOrder,
): Promise<{ readonly token: string; readonly expiresS: number }> {
  if (trustDomainOf(parseServiceId(order.sid)) !== td) {
    throw new AuthorityError('QIP_AUTHORITY_ADMISSION_REFUSED', {
      reason: `\`${order.sid}\` is of another trust domain`,
      next: `name a service of \`${td}\``,
    })
  }
  if (order.builds.length > buildsMax) {
    throw new AuthorityError('QIP_AUTHORITY_ADMISSION_REFUSED', { reason: `more than ${buildsMax} builds` })
  }
  for (const build of order.builds) parseHex(build)
  const token = prefix + base64url(random.bytes(32))
  const expiresS = Math.floor(clock.now() / 1_000) + order.ttlS
  await sql.transact([
    { sql: 'DELETE FROM join_tokens WHERE expires_s < ?', params: [Math.floor(clock.now() / 1_000)] },
    {
      sql: 'INSERT INTO join_tokens (secret_hash, sid, builds, role, expires_s, used) VALUES (?, ?, ?, ?, ?, 0)',
      params: [sha256(utf8(token)), order.sid, order.builds.join(' '), order.role, expiresS],
    },
  ])
  return { token, expiresS }
}

/** Admission by join token. The build is declared: somebody said so when the token was made. */
export function joinTokenMethod({ sql, clock }: JoinTokenOptions): AdmissionMethod {
  return {
    name: 'join-token',
    // It is used up: there will be no other evidence.
    renewable: true,
    async admit(evidence) {
      const hash = sha256(utf8(tokenOf(evidence)))
      const [row] = await sql.query('SELECT * FROM join_tokens WHERE secret_hash = ?', [hash])
      if (row === undefined) throw refused('no such join token', 'ask an operator for a new one')
      if (row['used'] !== 0)
        throw refused(
          'the join token was used before',
          'a join token admits once: use the session that it opened (`--session`), or ask for another',
        )
      if ((row['expires_s'] as number) * 1_000 <= clock.now())
        throw refused('the join token has ended', 'ask for a new one')
      return {
        sid: row['sid'] as string,
        role: row['role'] as SessionRole,
        builds: (row['builds'] as string).split(' ').filter((build) => build !== ''),
        binding: 0,
        consume: [
          {
            sql: 'UPDATE join_tokens SET used = 1 WHERE secret_hash = ? AND used = 0',
            params: [hash],
            expect: 1,
            what: 'the join token',
          },
        ],
      }
    },
  }
}

function tokenOf(evidence: Json): string {
  const token = (evidence as { token?: Json } | null)?.token
  if (typeof token !== 'string' || !form.test(token)) throw refused('the evidence has no join token')
  return token
}

function refused(reason: string, next?: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_ADMISSION_REFUSED', {
    reason,
    ...(next !== undefined && { next }),
  })
}
