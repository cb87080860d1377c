import type { Sql, SqlStatement } from '../store/sql.ts'
import { wholeSum } from './whole-sum.ts'

/** How many records of a reason an enforcement point did not keep in a span of time. */
export interface ReportedSuppression {
  readonly id: string
  readonly point: string
  readonly reason: string
  readonly count: number
  /** Milliseconds since 1970. */
  readonly fromMs: number
  readonly toMs: number
}

/** Suppressed records of one point and reason. */
export interface SuppressedCount {
  readonly point: string
  readonly reason: string
  readonly count: number
}

/** The statement that keeps suppressions; one that is known already counts once. */
export function suppressionStatement(suppressed: readonly ReportedSuppression[]): SqlStatement {
  return {
    sql: `INSERT INTO decision_suppressions (id, point, reason, count, from_ms, to_ms) VALUES (?, ?, ?, ?, ?, ?)
          ON CONFLICT (id) DO NOTHING`,
    each: suppressed.map(({ id, point, reason, count, fromMs, toMs }) => [
      id,
      point,
      reason,
      count,
      fromMs,
      toMs,
    ]),
  }
}

/** What was suppressed in windows that ended in a span of time, by point and reason, the most first. */
export async function countSuppressed(
  sql: Sql,
  {
    sinceMs = 0,
    untilMs = Number.MAX_SAFE_INTEGER,
  }: { readonly sinceMs?: number | undefined; readonly untilMs?: number | undefined },
): Promise<readonly SuppressedCount[]> {
  const rows = await sql.query(
    `SELECT point, reason, ${wholeSum('count')} AS n FROM decision_suppressions
     WHERE to_ms >= ? AND to_ms < ? GROUP BY point, reason ORDER BY 3 DESC LIMIT 1000`,
    [sinceMs, untilMs],
  )
  return rows.map((row) => ({
    point: row['point'] as string,
    reason: row['reason'] as string,
    count: row['n'] as number,
  }))
}
