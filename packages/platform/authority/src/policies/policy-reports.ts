import { type Clock, parseJson } from '@quantum-ip/base'
import type { MemberSession } from '../fleet.ts'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql } from '../store/sql.ts'

/** The actions of policies, as reports name them. */
export const reportedActions = ['allow', 'reject', 'quarantine'] as const

/** Requests for which a policy under watch says something else than is done without it. */
export interface PolicyDifference {
  /** The rule, or why none decided. */
  readonly rule: string
  /** Service ID of the caller; `anonymous`, or `other` where there were too many. */
  readonly caller: string
  readonly from: (typeof reportedActions)[number]
  readonly to: (typeof reportedActions)[number]
  readonly count: number
  /** The newest decision, as far as one was recorded. */
  readonly decision?: string
}

/** What a member counted under a rollout since it took it: requests of verified callers, and all differences. */
export interface PolicyReport {
  readonly name: string
  readonly rollout: number
  readonly requests: number
  /** Rejected or quarantined where they would not be without it. */
  readonly rejected: number
  /** A condition failed. */
  readonly errors: number
  readonly differences: readonly PolicyDifference[]
}

/** What all members counted. */
export type PolicyCounts = Pick<PolicyReport, 'requests' | 'rejected' | 'errors' | 'differences'>

/** Who reports: a point of a session, and which run of its process. */
export interface Reporter {
  readonly session: MemberSession
  readonly point: string
  readonly run: string
}

const keptMs = 7 * 24 * 3_600_000
const shownMax = 200
/** Of one service ID under one rollout: its points, their threads, and the runs of each. */
const rowsMax = 1_024

/** What members count about policies. */
export class PolicyReports {
  readonly #sql: Sql
  readonly #clock: Clock

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql
    this.#clock = clock
  }

  /**
   * Takes down what a member counted; durable when it resolves.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_SESSION_REFUSED` for a session that is no verifier's
   */
  async take({ session, point, run }: Reporter, reports: readonly PolicyReport[]): Promise<void> {
    if (session.role !== 'verifier')
      throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', { reason: 'its role is not `verifier`' })
    const [member, now] = [`${session.sid} ${point}`, this.#clock.now()]
    const kept: PolicyReport[] = []
    for (const report of reports) if (await this.#isKept(report, { session, member, run })) kept.push(report)
    await this.#sql.transact([
      {
        sql: `INSERT INTO policy_reports (name, rollout, member, run, time_ms, report) VALUES (?, ?, ?, ?, ?, ?)
              ON CONFLICT (name, rollout, member, run) DO UPDATE SET time_ms = excluded.time_ms, report = excluded.report`,
        each: kept.map(({ name, rollout, ...counts }) => [
          name,
          rollout,
          member,
          run,
          now,
          JSON.stringify(counts),
        ]),
      },
    ])
  }

  /** Whether there is a row of it already, or room for one: of what was never rolled out, nothing is kept. */
  async #isKept(
    { name, rollout }: PolicyReport,
    { session, member, run }: { session: MemberSession; member: string; run: string },
  ): Promise<boolean> {
    const known = await this.#sql.query(
      'SELECT 1 FROM policy_reports WHERE name = ? AND rollout = ? AND member = ? AND run = ?',
      [name, rollout, member, run],
    )
    if (known.length > 0) return true
    const own = `${session.sid} `
    const [room] = await this.#sql.query(
      `SELECT (SELECT COUNT(*) FROM policy_rollouts WHERE name = ? AND number = ?) AS rollouts,
         (SELECT COUNT(*) FROM policy_reports WHERE name = ? AND rollout = ? AND substr(member, 1, ${own.length}) = ?) AS rows`,
      [name, rollout, name, rollout, own],
    )
    return room?.['rollouts'] === 1 && (room['rows'] as number) < rowsMax
  }

  /** What members counted under the rollouts of a policy from `since` on, and before `until`. */
  async counts(name: string, since: number, until = Number.MAX_SAFE_INTEGER): Promise<PolicyCounts> {
    const rows = await this.#sql.query(
      'SELECT report FROM policy_reports WHERE name = ? AND rollout >= ? AND rollout < ? ORDER BY time_ms',
      [name, since, until],
    )
    const reports = rows.map((row) => parseJson(row['report'] as string) as unknown as PolicyCounts)
    const sum = (of: (report: PolicyCounts) => number) => reports.reduce((all, report) => all + of(report), 0)
    return {
      requests: sum(({ requests }) => requests),
      rejected: sum(({ rejected }) => rejected),
      errors: sum(({ errors }) => errors),
      differences: joined(reports.flatMap(({ differences }) => differences)),
    }
  }

  /** Forgets what is of no use any more. */
  async prune(): Promise<void> {
    const params = [this.#clock.now() - keptMs]
    await this.#sql.transact([{ sql: 'DELETE FROM policy_reports WHERE time_ms < ?', params }])
  }
}

/** Each difference once, the most frequent first. */
function joined(differences: readonly PolicyDifference[]): readonly PolicyDifference[] {
  const byKey = new Map<string, PolicyDifference>()
  for (const difference of differences) {
    const { rule, caller, from, to } = difference
    const key = `${rule} ${from} ${to} ${caller}`
    const before = byKey.get(key)
    byKey.set(key, { ...before, ...difference, count: difference.count + (before?.count ?? 0) })
  }
  return [...byKey.values()].sort((a, b) => b.count - a.count).slice(0, shownMax)
}
