import type { Clock, Json, JsonObject } from '@quantum-ip/base'
import { parseJson } from '@quantum-ip/base'
import type { Sql } from './store/sql.ts'

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

  /** Keeps decisions; one that is known already is not written twice. */
  async add(decisions: readonly ReportedDecision[]): Promise<void> {
    await this.#sql.transact([
      {
        sql: 'INSERT INTO decisions (id, time_ms, reason, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
        each: decisions.map(({ id, timeMs, reason, record }) => [id, timeMs, reason, JSON.stringify(record)]),
      },
      ...this.#prune(),
    ])
  }

  async find(id: string): Promise<Json | undefined> {
    const [row] = await this.#sql.query('SELECT record FROM decisions WHERE id = ?', [id])
    return row && parseJson(row['record'] as string)
  }

  /** The newest first. */
  async list({ reason, sinceMs = 0, limit }: DecisionQuery): Promise<readonly Json[]> {
    const rows = await this.#sql.query(
      'SELECT record FROM decisions WHERE time_ms >= ? AND (? IS NULL OR reason = ?) ORDER BY time_ms DESC LIMIT ?',
      [sinceMs, reason ?? null, reason ?? null, limit],
    )
    return rows.map((row) => parseJson(row['record'] as string))
  }

  #prune(): readonly { readonly sql: string; readonly params: readonly number[] }[] {
    const now = this.#clock.now()
    if (now - this.#lastPruneMs < 60_000) return []
    this.#lastPruneMs = now
    return [{ sql: 'DELETE FROM decisions WHERE time_ms < ?', params: [now - this.#keepMs] }]
  }
}
