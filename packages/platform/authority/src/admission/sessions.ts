import {
  base64url,
  type Clock,
  type Json,
  parseHex,
  parseJson,
  type Random,
  type ServiceId,
  utf8,
} from '@quantum-ip/base'
import { matchesSession, parseSessionProof, type ProvedRequest } from '@quantum-ip/client'
import { type KemKey, sealField } from '@quantum-ip/crypto'
import type { BindingEvidence } from '@quantum-ip/token'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql, SqlRow, SqlStatement } from '../store/sql.ts'

/** What a session may do: draw tokens, or follow the trust state as an enforcement point. */
export type SessionRole = 'workload' | 'verifier'

/** A build that a session was admitted with. */
export interface SessionBuild {
  /** SHA-256 of the artifact, lowercase hexadecimal. */
  readonly digest: string
  readonly bytes: Uint8Array
  readonly evidence: BindingEvidence
  /** The attestation that admission relied on. */
  readonly attestation: readonly [log: number, index: number] | undefined
}

/** An admitted identity. */
export interface Session {
  readonly id: string
  readonly sid: ServiceId
  readonly role: SessionRole
  readonly builds: readonly SessionBuild[]
  /** Which admission method admitted it. */
  readonly method: string
  readonly admittedMs: number
  readonly expiresS: number
  /** The MAC key that was sealed to the client's KEM key. */
  readonly key: Uint8Array
}

const sessionsMax = 100_000
/** How far the time in a proof may be off. */
const proofToleranceMs = 30_000

/** The sessions of the trust domain, in memory and in the store. */
export class Sessions {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #random: Random
  readonly #sessions = new Map<string, Session>()
  #isShared = false
  #isEnded: (session: Session) => boolean = () => false

  private constructor(sql: Sql, clock: Clock, random: Random) {
    this.#sql = sql
    this.#clock = clock
    this.#random = random
  }

  static async open(sql: Sql, clock: Clock, random: Random): Promise<Sessions> {
    const sessions = new Sessions(sql, clock, random)
    const nowS = Math.floor(clock.now() / 1_000)
    await sql.transact([{ sql: 'DELETE FROM sessions WHERE expires_s <= ?', params: [nowS] }])
    for (const row of await sql.query('SELECT * FROM sessions')) {
      sessions.#sessions.set(row['id'] as string, readSession(row))
    }
    return sessions
  }

  /** From here on sessions that are not known are looked for in the store: other instances open some, too. */
  share(isEnded: (session: Session) => boolean): void {
    this.#isShared = true
    this.#isEnded = isEnded
  }

  list(): readonly Session[] {
    const nowS = this.#clock.now() / 1_000
    return [...this.#sessions.values()].filter(({ expiresS }) => expiresS > nowS)
  }

  /**
   * Opens a session for an admitted identity, bound to the client's KEM key.
   *
   * @param consume what makes the evidence unusable a second time, in the same transaction
   * @returns the session, and its key sealed to the client: what only the holder of that KEM key can open
   */
  async create(
    admitted: Omit<Session, 'id' | 'key' | 'admittedMs'>,
    clientKey: KemKey,
    consume: readonly SqlStatement[] = [],
  ): Promise<{ readonly session: Session; readonly sealedKey: Uint8Array }> {
    this.#forgetEnded()
    if (this.#sessions.size >= sessionsMax) {
      throw new AuthorityError('QIP_AUTHORITY_OVERLOADED', { what: `${sessionsMax} sessions are open` })
    }
    const id = base64url(this.#random.bytes(16))
    const session: Session = { ...admitted, id, key: this.#random.bytes(32), admittedMs: this.#clock.now() }
    const sealedKey = await sealField({ key: clientKey, plaintext: session.key, aad: utf8(id) })
    await this.#sql.transact([
      ...consume,
      {
        sql: 'INSERT INTO sessions (id, sid, role, session_key, detail, expires_s) VALUES (?, ?, ?, ?, ?, ?)',
        params: [id, session.sid, session.role, session.key, formatDetail(session), session.expiresS],
      },
    ])
    this.#sessions.set(id, session)
    return { session, sealedKey }
  }

  /**
   * The session that proves that it sent this request.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_SESSION_REFUSED`, which does not tell an unknown session from a wrong proof.
   * @throws {ClientError} `QIP_CLIENT_PROOF_MALFORMED`
   */
  async authenticate(authorization: string, request: ProvedRequest): Promise<Session> {
    const proof = parseSessionProof(authorization)
    // Another instance may have opened it.
    const session = this.#sessions.get(proof.sessionId) ?? (await this.#find(proof.sessionId))
    const nowMs = this.#clock.now()
    if (session === undefined || !matchesSession(session.key, proof, request)) {
      throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', {
        reason: 'no such session, or its proof does not hold',
      })
    }
    if (Math.abs(nowMs - proof.timeMs) > proofToleranceMs) {
      throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', {
        reason: 'the clocks differ by more than 30 s',
      })
    }
    if (session.expiresS * 1_000 <= nowMs) {
      throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', { reason: 'it has ended' })
    }
    return session
  }

  /** Ends every session of which `ends` says so: after a revocation. */
  async end(ends: (session: Session) => boolean): Promise<number> {
    const ended = [...this.#sessions.values()].filter((session) => ends(session))
    if (ended.length === 0) return 0
    for (const { id } of ended) this.#sessions.delete(id)
    await this.#sql.transact([
      { sql: 'DELETE FROM sessions WHERE id = ?', each: ended.map(({ id }) => [id]) },
    ])
    return ended.length
  }

  async #find(id: string): Promise<Session | undefined> {
    if (!this.#isShared) return undefined
    const [row] = await this.#sql.query('SELECT * FROM sessions WHERE id = ?', [id])
    if (row === undefined) return undefined
    const session = readSession(row)
    // Revoked before this instance heard of the session.
    if (this.#isEnded(session)) return undefined
    this.#sessions.set(id, session)
    return session
  }

  #forgetEnded(): void {
    if (this.#sessions.size < sessionsMax) return
    const nowS = this.#clock.now() / 1_000
    for (const [id, { expiresS }] of this.#sessions) if (expiresS <= nowS) this.#sessions.delete(id)
  }
}

function readSession(row: SqlRow): Session {
  const detail = parseJson(row['detail'] as string) as unknown as SessionDetail
  return {
    id: row['id'] as string,
    sid: row['sid'] as string,
    role: row['role'] as SessionRole,
    key: row['session_key'] as Uint8Array,
    expiresS: row['expires_s'] as number,
    method: detail.method,
    admittedMs: detail.admittedMs,
    builds: detail.builds.map((build) => readBuild(build)),
  }
}

interface SessionDetail {
  readonly method: string
  readonly admittedMs: number
  readonly builds: readonly (readonly [digest: string, evidence: BindingEvidence, attestation: Json])[]
}

function formatDetail({ method, admittedMs, builds }: Session): string {
  const rows = builds.map(({ digest, evidence, attestation }) => [digest, evidence, attestation ?? null])
  return JSON.stringify({ method, admittedMs, builds: rows })
}

function readBuild([digest, evidence, attestation]: SessionDetail['builds'][number]): SessionBuild {
  return {
    digest,
    bytes: parseHex(digest),
    evidence,
    attestation: attestation === null ? undefined : (attestation as [number, number]),
  }
}
