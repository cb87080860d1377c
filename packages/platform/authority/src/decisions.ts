import type { Clock, Json, JsonObject } from '@quantum-ip/base'
import { parseJson } from '@quantum-ip/base'
import type { Sql, SqlRow, SqlStatement } from './store/sql.ts'

/** What decisions are looked up by. */
export interface DecisionQuery {
  readonly reason?: string
  readonly sinceMs?: number
  readonly limit: number
}

/** A decision as an enforcement point reported it: the record, and what it is looked up by. */
export interface ReportedDecision {
  readonly id: string
  readonly timeMs: number
  readonly reason: string
  readonly record: JsonObject
}

/** What decisions about the tokens of a log are looked up by. */
export interface TokenDecisionQuery {
  readonly log: string
  /** Only those that relied on such a head: `unlogged` are the ones that a stolen key got through. */
  readonly head?: 'provisional' | 'unlogged'
  readonly sinceMs?: number
  readonly limit: number
}

/** How far the clock of a member may be ahead of the authority's. */
const aheadMaxMs = 60_000
const keepDefaultMs = 30 * 24 * 3_600_000

/** The decisions that the fleet reported: what forensics read. */
export class Decisions {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #keepMs: number
  #lastPruneMs = 0

  constructor(sql: Sql, clock: Clock, keepMs: number = keepDefaultMs) {
    this.#sql = sql
    this.#clock = clock
    this.#keepMs = keepMs
  }

  /**
   * Keeps decisions; one that is known already is not written twice. One that claims a time of the future is kept under the
   * authority's time: it would else never be old enough to go. Its record stays as it was reported.
   */
  async add(reported: readonly ReportedDecision[]): Promise<void> {
    const now = this.#clock.now()
    const decisions = reported.map((decision) =>
      decision.timeMs > now + aheadMaxMs ? { ...decision, timeMs: now } : decision,
    )
    await this.#sql.transact([
      {
        sql: 'INSERT INTO decisions (id, time_ms, reason, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
        each: decisions.map(({ id, timeMs, reason, record }) => [id, timeMs, reason, JSON.stringify(record)]),
      },
      ...tokenStatements(decisions),
      ...this.#prune(),
    ])
  }

  async find(id: string): Promise<Json | undefined> {
    const [row] = await this.#sql.query(
      `SELECT record, head FROM decisions LEFT JOIN decision_tokens ON decision = id WHERE id = ?`,
      [id],
    )
    return row && recordOf(row)
  }

  /** The newest first. */
  async list({ reason, sinceMs = 0, limit }: DecisionQuery): Promise<readonly Json[]> {
    const rows = await this.#sql.query(
      `SELECT record, head FROM decisions LEFT JOIN decision_tokens ON decision = id
       WHERE decisions.time_ms >= ? AND (? IS NULL OR reason = ?) ORDER BY decisions.time_ms DESC LIMIT ?`,
      [sinceMs, reason ?? null, reason ?? null, limit],
    )
    return rows.map((row) => recordOf(row))
  }

  /** Decisions about tokens of one log, the newest first. */
  async listOf({ log, head, sinceMs = 0, limit }: TokenDecisionQuery): Promise<readonly Json[]> {
    const only = head === undefined ? '' : ' AND decision_tokens.head = ?'
    const rows = await this.#sql.query(
      `SELECT record, head FROM decision_tokens JOIN decisions ON decisions.id = decision_tokens.decision
       WHERE decision_tokens.log = ? AND decision_tokens.time_ms >= ?${only}
       ORDER BY decision_tokens.time_ms DESC LIMIT ?`,
      [log, sinceMs, ...(head === undefined ? [] : [head]), limit],
    )
    return rows.map((row) => recordOf(row))
  }

  /** Decisions by which requests passed on an attestation that had not been checked, the newest first. */
  async listPassedOn({
    log,
    index,
    limit,
  }: {
    readonly log: string
    readonly index: number
    readonly limit: number
  }): Promise<readonly Json[]> {
    // Rare, and asked by a person: a walk over the records of one reason, not an index more on each of them.
    const rows = await this.#sql.query(
      `SELECT record, head FROM decisions LEFT JOIN decision_tokens ON decision = id
       WHERE reason IN ('ok_shallow', 'ok_retry') AND record LIKE ? ORDER BY decisions.time_ms DESC LIMIT ?`,
      [`%"attestation":{"log":${JSON.stringify(log)},"index":${index}}%`, limit],
    )
    return rows.map((row) => recordOf(row))
  }

  #prune(): readonly { readonly sql: string; readonly params: readonly number[] }[] {
    const now = this.#clock.now()
    if (now - this.#lastPruneMs < 60_000) return []
    this.#lastPruneMs = now
    const before = [now - this.#keepMs]
    return [
      { sql: 'DELETE FROM decisions WHERE time_ms < ?', params: before },
      { sql: 'DELETE FROM decision_tokens WHERE time_ms < ?', params: before },
    ]
  }
}

/** A record as it was reported first, with what was found out about its head since. */
function recordOf({ record, head }: SqlRow): Json {
  const reported = parseJson(record as string) as JsonObject
  return head === 'unlogged' ? { ...reported, head } : reported
}

/** What a record says of its token. Records are kept as members write them, so nothing of them is sure to be there. */
function tokenOf({ record }: ReportedDecision): { log: string; index: number; head: string } | undefined {
  const { token, head } = record as { token?: { log?: unknown; index?: unknown } | null; head?: unknown }
  const { log, index } = token ?? {}
  if (typeof log !== 'string' || log === '' || typeof index !== 'number') return undefined
  return { log, index, head: typeof head === 'string' ? head : '' }
}

/**
 * That a decision turned out to rest on a head which is in no log is noted beside its record. INVARIANT: what was reported once is
 * not written over: any session may report, and could else erase what others did.
 */
function tokenStatements(decisions: readonly ReportedDecision[]): readonly SqlStatement[] {
  const named = decisions.flatMap((decision) => {
    const token = tokenOf(decision)
    return token === undefined ? [] : [{ decision, token }]
  })
  const unlogged = named.filter(({ token }) => token.head === 'unlogged')
  return [
    {
      sql: `INSERT INTO decision_tokens (decision, log, position, time_ms, head) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (decision) DO NOTHING`,
      each: named.map(({ decision, token }) => [
        decision.id,
        token.log,
        token.index,
        decision.timeMs,
        token.head,
      ]),
    },
    {
      sql: "UPDATE decision_tokens SET head = 'unlogged' WHERE decision = ?",
      each: unlogged.map(({ decision }) => [decision.id]),
    },
  ]
}
