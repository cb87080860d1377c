import { type Clock, isQipError, type Json, type JsonObject, parseJson } from '@quantum-ip/base'
import type { Sql, SqlRow, SqlStatement } from '../store/sql.ts'
import { type DecisionCounts, countDecisions, type Grouping } from './decision-counts.ts'
import type { DecisionCursor } from './decision-cursor.ts'
import { type DecisionFilter, filterSql } from './decision-filter.ts'
import { hourStatement, knownDecisions, unloggedChange } from './decision-hours.ts'
import { indexStatements, type ReportedDecision } from './decision-row.ts'
import { findSealKey, type ReportedSealKey, sealKeyStatement } from './seal-keys.ts'
import {
  countSuppressed,
  type ReportedSuppression,
  type SuppressedCount,
  suppressionStatement,
} from './suppressions.ts'

/** A page of decisions that is asked for. */
export interface DecisionQuery extends DecisionFilter {
  /** The oldest first instead of the newest. */
  readonly oldestFirst?: boolean | undefined
  /** Behind this one. */
  readonly after?: DecisionCursor | undefined
  readonly limit: number
}

/** A page of decisions. */
export interface DecisionPage {
  readonly decisions: readonly Json[]
  /** Where it goes on; `undefined` at the end. */
  readonly next: DecisionCursor | undefined
}

/** How far the clock of a member may be ahead of the authority's. */
const aheadMaxMs = 60_000
const keepDefaultMs = 30 * 24 * 3_600_000
const dayMs = 24 * 3_600_000
const attemptsMax = 5
const knownNamesMax = 20_000

/** The decisions that the fleet reported: what forensics read. */
export class Decisions {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #keepMs: number
  readonly #knownNames = new Set<string>()
  #lastPruneMs = 0

  constructor(sql: Sql, clock: Clock, keepMs: number = keepDefaultMs) {
    this.#sql = sql
    this.#clock = clock
    this.#keepMs = keepMs
  }

  /**
   * Keeps decisions, and how many were suppressed; what is known already is not written twice. What claims a time of the future is
   * kept under the authority's time: it would else never be old enough to go. Its record stays as it was reported.
   */
  async add(
    reported: readonly ReportedDecision[],
    suppressed: readonly ReportedSuppression[] = [],
    sealKeys: readonly ReportedSealKey[] = [],
  ): Promise<void> {
    const now = this.#clock.now()
    const decisions = onceEach(reported).map((decision) => notAfter(decision, now))
    const late = suppressed.map((one) => (one.toMs > now + aheadMaxMs ? { ...one, toMs: now } : one))
    const sealed = sealKeys.map((key) => notAfter(key, now))
    const beside = [suppressionStatement(late), sealKeyStatement(sealed), ...this.#prune()]
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#write(decisions, beside)
      } catch (error) {
        // Somebody wrote one of them meanwhile: it is known then, and must not count twice.
        if (attempt === attemptsMax || !isQipError(error, 'QIP_AUTHORITY_CONFLICT')) throw error
      }
    }
  }

  async #write(decisions: readonly ReportedDecision[], beside: readonly SqlStatement[]): Promise<void> {
    const known = await knownDecisions(
      this.#sql,
      decisions.map(({ id }) => id),
    )
    const fresh = decisions.filter(({ id }) => !known.has(id))
    const indexed = indexStatements(fresh, this.#knownNames)
    const changes = decisions.flatMap(({ id, record }) => {
      const row = record['head'] === 'unlogged' ? known.get(id) : undefined
      return row === undefined || row['head'] === 'unlogged' ? [] : [unloggedChange(row)]
    })
    await this.#sql.transact([
      {
        sql: 'INSERT INTO decisions (id, time_ms, reason, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
        each: fresh.map(({ id, timeMs, reason, record }) => [id, timeMs, reason, JSON.stringify(record)]),
      },
      ...indexed.statements,
      hourStatement([...indexed.counted, ...changes]),
      ...unloggedStatements(decisions),
      ...beside,
    ])
    if (this.#knownNames.size > knownNamesMax) this.#knownNames.clear()
    for (const name of indexed.names) this.#knownNames.add(name)
  }

  async find(id: string): Promise<Json | undefined> {
    const [row] = await this.#sql.query(
      `SELECT decisions.record, i.head FROM decisions LEFT JOIN decision_index i ON i.id = decisions.id
       WHERE decisions.id = ?`,
      [id],
    )
    return row && recordOf(row)
  }

  /** A page of decisions, the newest first unless the query says otherwise. */
  async list(query: DecisionQuery): Promise<DecisionPage> {
    const { limit, after, oldestFirst = false } = query
    const { where, params } = filterSql(bounded(query))
    const [order, beyond] = oldestFirst ? ['ASC', '>'] : ['DESC', '<']
    const behind =
      after === undefined ? '' : ` AND (i.time_ms ${beyond} ? OR (i.time_ms = ? AND i.id ${beyond} ?))`
    const rows = await this.#sql.query(
      `SELECT found.id, found.time_ms, found.head, decisions.record FROM (
         SELECT i.id, i.time_ms, i.head FROM decision_index i WHERE ${where}${behind}
         ORDER BY i.time_ms ${order}, i.id ${order} LIMIT ?) found
       JOIN decisions ON decisions.id = found.id ORDER BY found.time_ms ${order}, found.id ${order}`,
      [...params, ...(after === undefined ? [] : [after.timeMs, after.timeMs, after.id]), limit],
    )
    const last = rows.at(-1)
    return {
      decisions: rows.map((row) => recordOf(row)),
      next:
        last === undefined || rows.length < limit
          ? undefined
          : { timeMs: last['time_ms'] as number, id: last['id'] as string },
    }
  }

  /** Counts decisions, over all or by what they have in common. */
  count(filter: DecisionFilter, by: readonly Grouping[]): Promise<DecisionCounts> {
    return countDecisions(this.#sql, filter, by)
  }

  /** What enforcement points did not keep, by point and reason. */
  suppressed(span: Pick<DecisionFilter, 'sinceMs' | 'untilMs'>): Promise<readonly SuppressedCount[]> {
    return countSuppressed(this.#sql, span)
  }

  /** The sealed key of this ID. */
  sealKey(id: string): Promise<ReportedSealKey | undefined> {
    return findSealKey(this.#sql, id)
  }

  #prune(): readonly SqlStatement[] {
    const now = this.#clock.now()
    if (now - this.#lastPruneMs < 60_000) return []
    this.#lastPruneMs = now
    const before = [now - this.#keepMs]
    return [
      {
        sql: 'DELETE FROM decisions WHERE id IN (SELECT id FROM decision_index WHERE time_ms < ?)',
        params: before,
      },
      { sql: 'DELETE FROM decision_index WHERE time_ms < ?', params: before },
      { sql: 'DELETE FROM decision_hours WHERE last_ms < ?', params: before },
      // A key is older than the records that are sealed under it, by up to an hour.
      { sql: 'DELETE FROM decision_seal_keys WHERE time_ms < ?', params: [now - this.#keepMs - dayMs] },
      { sql: 'DELETE FROM decision_suppressions WHERE to_ms < ?', params: before },
      // What was said of a decision goes after it.
      {
        sql: `DELETE FROM decision_adjudications WHERE time_ms < ?
              AND NOT EXISTS (SELECT 1 FROM decision_index i WHERE i.id = decision_adjudications.decision)`,
        params: before,
      },
    ]
  }
}

/** A page need not look at what lies before its cursor. */
function bounded(query: DecisionQuery): DecisionFilter {
  const { after, oldestFirst = false, sinceMs = 0, untilMs } = query
  if (after === undefined) return query
  if (oldestFirst) return { ...query, sinceMs: Math.max(sinceMs, after.timeMs) }
  return { ...query, untilMs: Math.min(untilMs ?? Number.MAX_SAFE_INTEGER, after.timeMs + 1) }
}

/** A record as it was reported first, with what was found out about its head since. */
function recordOf({ record, head }: SqlRow): Json {
  const reported = parseJson(record as string) as JsonObject
  return head === 'unlogged' ? { ...reported, head } : reported
}

/**
 * That a decision turned out to rest on a head which is in no log is noted beside its record. INVARIANT: what was reported once is
 * not written over: any session may report, and could else erase what others did.
 */
function unloggedStatements(decisions: readonly ReportedDecision[]): readonly SqlStatement[] {
  const unlogged = decisions.filter(({ record }) => record['head'] === 'unlogged')
  return [
    {
      sql: "UPDATE decision_index SET head = 'unlogged', weight = 1000 WHERE id = ?",
      each: unlogged.map(({ id }) => [id]),
    },
  ]
}

/** Of several with one ID the first; one that turned out to be unlogged says so in its last report. */
function onceEach(reported: readonly ReportedDecision[]): readonly ReportedDecision[] {
  const once = new Map<string, ReportedDecision>()
  for (const decision of reported) {
    const before = once.get(decision.id)
    if (before === undefined) once.set(decision.id, decision)
    else if (decision.record['head'] === 'unlogged')
      once.set(decision.id, { ...before, record: { ...before.record, head: 'unlogged' } })
  }
  return [...once.values()]
}

function notAfter<Timed extends { readonly timeMs: number }>(reported: Timed, nowMs: number): Timed {
  return reported.timeMs > nowMs + aheadMaxMs ? { ...reported, timeMs: nowMs } : reported
}
