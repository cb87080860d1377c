import { type Clock, equalBytes, limits, type ServiceId } from '@quantum-ip/base'
import {
  type Claims,
  classifyToken,
  extendChain,
  type Hop,
  hopOf,
  parseJwtToken,
  parseMerkleToken,
  tokenEntry,
} from '@quantum-ip/token'
import { isAcceptable, type RevocationCheck, type SigningKeyRecord } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Sql } from '../store/sql.ts'
import { sqlLogStorage } from '../store/sql-log-storage.ts'
import type { References } from './references.ts'
import { tokenLogNumber } from './token-log.ts'

/** What an exchange is checked with. */
export interface ExchangeOptions {
  readonly sql: Sql
  readonly keys: KeyRing
  readonly references: References
  readonly revocations: RevocationCheck
  readonly clock: Clock
}

/** What a subject token allows its holder to ask for. */
export interface Exchangeable {
  /** The chain of the token that comes out: the subject's, and the subject. */
  readonly chain: readonly Hop[]
  /** The new token never outlives the subject token, seconds. */
  readonly notAfterS: number
}

interface Subject {
  readonly claims: Claims
  readonly record: SigningKeyRecord
  readonly origin: string
  readonly index: number
  readonly digest: Uint8Array
  readonly form: 'merkle' | 'jwt'
}

function refused(reason: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_TOKEN_REFUSED', { reason: `the subject token ${reason}` })
}

/**
 * Checks a subject token of an RFC 8693 exchange by `actor`: it is ours, it was logged, it has neither ended nor been revoked, and the
 * actor is in its audience.
 *
 * The authority needs no signature for that: the entry in its own log says it all.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_TOKEN_REFUSED` · {@link TokenError} for a malformed one
 */
export async function verifySubjectToken(
  options: ExchangeOptions,
  text: string,
  actor: ServiceId,
): Promise<Exchangeable> {
  const subject = await readSubject(options, text)
  const { claims } = subject
  if (!claims.aud.includes(actor)) throw refused('is not for the service that exchanges it')
  const nowS = Math.floor(options.clock.now() / 1_000)
  if (claims.exp <= nowS) throw refused('has ended')
  if (claims.iat > nowS + limits.clockToleranceS) throw refused('is from the future')
  if (!isAcceptable(subject.record)) throw refused('was issued by a key that does not count any more')
  checkRevocation(options.revocations, subject)
  await checkLogged(options.sql, subject)
  const hop = hopOf(claims, { log: tokenLogNumber(subject.origin), index: subject.index })
  return { chain: extendChain(claims, hop), notAfterS: claims.exp }
}

async function readSubject({ keys, references }: ExchangeOptions, text: string): Promise<Subject> {
  const kind = classifyToken(text)
  if (kind === 'reference') {
    const token = await references.resolve(text)
    if (token === undefined) throw refused('is a reference to nothing')
    return readMerkle(keys, token)
  }
  if (kind === 'jwt') {
    const { claims, log, index, digest, kid } = parseJwtToken(text)
    const record = keys.get(kid)?.record
    const origin = keys
      .list()
      .find(
        ({ record: { use, log: origin } }) =>
          use === 'qip-token' && origin !== undefined && tokenLogNumber(origin) === log,
      )?.record.log
    if (record?.use !== 'qip-jwt' || origin === undefined) throw refused('was not issued here')
    return { claims, record, origin, index, digest, form: 'jwt' }
  }
  return readMerkle(keys, text)
}

function readMerkle(keys: KeyRing, text: string): Subject {
  const { claims, keyId, index, digest } = parseMerkleToken(text)
  const record = keys
    .list()
    .find(({ record: { use, keyId: known } }) => use === 'qip-token' && known === keyId)?.record
  if (record?.log === undefined) throw refused('was not issued here')
  return { claims, record, origin: record.log, index, digest, form: 'merkle' }
}

function checkRevocation(revocations: RevocationCheck, { claims, origin, index, digest }: Subject): void {
  const revoked =
    revocations.isIdentityRevoked(claims.sub, claims.iat) ||
    (claims.bld !== undefined && revocations.isBuildRevoked(claims.bld, claims.iat)) ||
    revocations.isTokenRevoked(digest) ||
    revocations.isEntryRevoked(origin, index) ||
    (claims.chn ?? []).some(({ sid }) => revocations.isIdentityRevoked(sid, claims.iat))
  if (revoked) throw refused('is revoked')
}

async function checkLogged(sql: Sql, { claims, origin, index, digest, form }: Subject): Promise<void> {
  const storage = sqlLogStorage(sql, origin)
  const { size } = await storage.head()
  const wanted = tokenEntry({ form, exp: claims.exp, digest })
  const logged = index < size ? (await storage.readEntries(index, index + 1)).subarray(2) : new Uint8Array()
  if (!equalBytes(logged, wanted)) throw refused('is not in the log at the place that it names')
}
