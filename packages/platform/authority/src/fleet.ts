import { type Clock, parseJson, type ServiceId } from '@quantum-ip/base'
import type { SessionRole } from './admission/sessions.ts'
import { AuthorityError } from './authority-errors.ts'
import type { Sql, SqlRow, SqlStatement } from './store/sql.ts'

/** What kinds of members there are. */
export const memberKinds = ['verifier', 'gateway', 'mirror'] as const

/** What a member is. */
export type MemberKind = (typeof memberKinds)[number]

/** What became of a probe token at a member. */
export interface ProbeReport {
  /** Which probe. */
  readonly id: string
  /** The reason of the member's verdict. */
  readonly reason: string
}

/** What a member holds of a policy. */
export interface HeldPolicy {
  readonly name: string
  /** The rollout that it decides by. */
  readonly rollout: number
  readonly version: number
  readonly candidate?: number
  /** A later rollout that it could not take, and why. */
  readonly refused?: { readonly rollout: number; readonly reason: string }
}

/** What a fleet member says that it holds. */
export interface Acknowledgement {
  /** Number of the state in force there. */
  readonly seq: number
  readonly epoch: number
  readonly bundleSequence: number
  /** Name of the enforcement point. */
  readonly point: string
  /** Default `verifier`. */
  readonly kind?: MemberKind
  readonly region?: string
  /** Whether it verifies probe tokens. */
  readonly probes?: boolean
  readonly probe?: ProbeReport
  readonly policies?: readonly HeldPolicy[]
}

/** A member of the fleet, what it said last, and until when it is expected to be there. */
export interface FleetMember extends Acknowledgement {
  readonly sid: ServiceId
  readonly session: string
  readonly kind: MemberKind
  readonly probes: boolean
  readonly seenMs: number
  readonly leaseMs: number
}

/** Who acknowledges: a session, and what it was admitted as. */
export interface MemberSession {
  readonly sid: ServiceId
  readonly id: string
  readonly role: SessionRole
}

/** A member that is silent counts as enrolled for so long. It says something every few seconds. */
const leaseMs = 60_000
/** One session may stand for the threads of one gateway, not for a fleet of its own. */
const pointsMax = 256

/**
 * Who follows the trust state, and how far each one is. Enrolled is who acknowledged in an admitted session of role `verifier` that
 * still lasts, and whose lease does: nobody else can hold up a rotation, or speak for one.
 *
 * Kept in the store: after a restart a rotation must still wait for those who were there before.
 */
export class Fleet {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #members = new Map<string, FleetMember>()
  #unsaved = new Map<string, FleetMember>()
  #saving: Promise<void> = Promise.resolve()
  #scheduled: Promise<void> | undefined

  private constructor(sql: Sql, clock: Clock) {
    this.#sql = sql
    this.#clock = clock
  }

  /**
   * Takes up the fleet. Leases go on for those whose lease held when the last state was signed: that nobody was there to be told of
   * a renewal does not end one.
   *
   * @param aliveMs when an authority was last at work
   */
  static async open(sql: Sql, clock: Clock, aliveMs: number): Promise<Fleet> {
    const fleet = new Fleet(sql, clock)
    const lease = clock.now() + leaseMs
    await sql.transact([
      { sql: 'DELETE FROM members WHERE lease_ms < ?', params: [Math.min(aliveMs, clock.now())] },
      { sql: 'UPDATE members SET lease_ms = ? WHERE lease_ms < ?', params: [lease, lease] },
    ])
    await fleet.read()
    return fleet
  }

  /** The fleet as it is in the store, for an instance that does not lead: it takes nothing down. */
  static view(sql: Sql, clock: Clock): Pick<Fleet, 'read'> {
    return new Fleet(sql, clock)
  }

  /**
   * Takes down what a member says; resolves when that is durable.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_SESSION_REFUSED` for a session that is no verifier's · `QIP_AUTHORITY_OVERLOADED` for one
   *   that stands for too many points · `QIP_AUTHORITY_STORE_UNAVAILABLE`
   */
  async acknowledge({ sid, id, role }: MemberSession, told: Acknowledgement): Promise<FleetMember> {
    if (role !== 'verifier')
      throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', { reason: 'its role is not `verifier`' })
    const key = keyOf(id, told.point)
    const before = this.#members.get(key)
    if (before === undefined && this.#pointsOf(id) >= pointsMax)
      throw new AuthorityError('QIP_AUTHORITY_OVERLOADED', { what: `${pointsMax} points in one session` })
    const seenMs = this.#clock.now()
    const probe = told.probe ?? before?.probe
    const member: FleetMember = {
      ...told,
      ...(probe !== undefined && { probe }),
      kind: told.kind ?? 'verifier',
      probes: told.probes ?? false,
      sid,
      session: id,
      seenMs,
      leaseMs: seenMs + leaseMs,
    }
    this.#members.set(key, member)
    this.#unsaved.set(key, member)
    await this.#save()
    return member
  }

  /** A member that stops is not waited for; resolves when that is durable. */
  async leave({ id }: Pick<MemberSession, 'id'>, point: string): Promise<void> {
    const key = keyOf(id, point)
    this.#members.delete(key)
    this.#unsaved.delete(key)
    // Behind what is being written about it.
    await this.#saving.catch(() => undefined)
    const params = [id, point]
    await this.#sql.transact([{ sql: 'DELETE FROM members WHERE session = ? AND point = ?', params }])
  }

  /** Who is enrolled now, as far as this process knows: as of the last reading, and of what it was told since. */
  list(): readonly FleetMember[] {
    const now = this.#clock.now()
    for (const [key, member] of this.#members) if (member.leaseMs <= now) this.#members.delete(key)
    return [...this.#members.values()].toSorted((a, b) =>
      keyOf(a.point, a.session) < keyOf(b.point, b.session) ? -1 : 1,
    )
  }

  /** Who is enrolled now, whichever process it talks to. */
  async read(): Promise<readonly FleetMember[]> {
    const now = this.#clock.now()
    const rows = await this.#sql.query(
      `SELECT m.* FROM members m JOIN sessions s ON s.id = m.session
       WHERE m.lease_ms > ? AND s.expires_s > ? AND s.role = 'verifier' ORDER BY m.point, m.session`,
      [now, Math.floor(now / 1_000)],
    )
    const read = rows.map((row) => readMember(row))
    const enrolled = new Set(read.map(({ session }) => session))
    for (const [key, { session }] of this.#members) if (!enrolled.has(session)) this.#members.delete(key)
    for (const member of read) {
      const key = keyOf(member.session, member.point)
      // What was told a moment ago may not have been read.
      if ((this.#members.get(key)?.seenMs ?? 0) <= member.seenMs) this.#members.set(key, member)
    }
    return this.list()
  }

  #pointsOf(session: string): number {
    return [...this.#members.values()].filter((member) => member.session === session).length
  }

  /** Everything that is told while a write is under way goes with the next one. */
  #save(): Promise<void> {
    this.#scheduled ??= this.#saving
      .catch(() => undefined)
      .then(() => {
        this.#scheduled = undefined
        return this.#write()
      })
    return this.#scheduled
  }

  #write(): Promise<void> {
    const members = [...this.#unsaved.values()]
    this.#unsaved = new Map()
    this.#saving = this.#sql.transact([upsert(members), this.#forget()])
    return this.#saving
  }

  #forget(): SqlStatement {
    return { sql: 'DELETE FROM members WHERE lease_ms < ?', params: [this.#clock.now() - leaseMs] }
  }
}

function keyOf(session: string, point: string): string {
  return `${session} ${point}`
}

function upsert(members: readonly FleetMember[]): SqlStatement {
  return {
    sql: `INSERT INTO members (session, point, sid, kind, region, seq, epoch, bundle_sequence, probes, probe, probe_reason,
                               seen_ms, lease_ms, policies)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (session, point) DO UPDATE SET kind = excluded.kind, region = excluded.region, seq = excluded.seq,
            epoch = excluded.epoch, bundle_sequence = excluded.bundle_sequence, probes = excluded.probes,
            probe = excluded.probe, probe_reason = excluded.probe_reason, seen_ms = excluded.seen_ms,
            lease_ms = excluded.lease_ms, policies = excluded.policies`,
    each: members.map((member) => [
      member.session,
      member.point,
      member.sid,
      member.kind,
      member.region ?? null,
      member.seq,
      member.epoch,
      member.bundleSequence,
      member.probes ? 1 : 0,
      member.probe?.id ?? null,
      member.probe?.reason ?? null,
      member.seenMs,
      member.leaseMs,
      member.policies === undefined ? null : JSON.stringify(member.policies),
    ]),
  }
}

function readMember(row: SqlRow): FleetMember {
  const region = row['region'] as string | null
  const probe = row['probe'] as string | null
  const policies = row['policies'] as string | null
  return {
    session: row['session'] as string,
    point: row['point'] as string,
    sid: row['sid'] as string,
    kind: memberKinds.find((kind) => kind === row['kind']) ?? 'verifier',
    ...(region !== null && { region }),
    seq: row['seq'] as number,
    epoch: row['epoch'] as number,
    bundleSequence: row['bundle_sequence'] as number,
    probes: row['probes'] === 1,
    ...(probe !== null && { probe: { id: probe, reason: row['probe_reason'] as string } }),
    ...(policies !== null && { policies: parseJson(policies) as unknown as readonly HeldPolicy[] }),
    seenMs: row['seen_ms'] as number,
    leaseMs: row['lease_ms'] as number,
  }
}
