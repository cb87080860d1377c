import { type Clock, isQipError } from '@quantum-ip/base'
import type { Sql, SqlRow } from './store/sql.ts'

/** Something that an operator did. */
export interface Act {
  readonly number: number
  readonly timeMs: number
  readonly operator: string
  readonly act: string
  readonly detail: string
}

// The database does not number by itself: after a backup was restored it would begin anew.
const insert = `INSERT INTO acts (number, time_ms, operator, act, detail)
  SELECT COALESCE(MAX(number), 0) + 1, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) FROM acts
  WHERE TRUE ON CONFLICT (number) DO NOTHING`

const attemptsMax = 20

/** An act that was just recorded. */
export interface RecordedAct {
  readonly operator: string
  readonly act: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** The append-only record of operators' acts. */
export class Acts {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #onAct: (act: RecordedAct) => void

  /** @param onAct told of each act once it is recorded; must not throw */
  constructor(sql: Sql, clock: Clock, onAct: (act: RecordedAct) => void = () => {}) {
    this.#sql = sql
    this.#clock = clock
    this.#onAct = onAct
  }

  /** Records an act. `detail` holds names and numbers, no secrets. */
  async record(operator: string, act: string, detail: Readonly<Record<string, unknown>>): Promise<void> {
    const params = [this.#clock.now(), operator, act, JSON.stringify(detail)]
    // Several instances may record at once: one of them takes the number, the others the next.
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#sql.transact([{ sql: insert, params, expect: 1, what: 'the record of acts' }])
        return this.#onAct({ operator, act, detail })
      } catch (error) {
        if (attempt === attemptsMax || !isQipError(error, 'QIP_AUTHORITY_CONFLICT')) throw error
      }
    }
  }

  /** The acts of a span of time, in order; the first `limit` of them. */
  async listBetween(
    { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
    limit: number,
  ): Promise<readonly Act[]> {
    const rows = await this.#sql.query(
      'SELECT * FROM acts WHERE time_ms >= ? AND time_ms <= ? ORDER BY number LIMIT ?',
      [fromMs, untilMs, limit],
    )
    return rows.map((row) => readAct(row))
  }

  /** The last acts, newest first. */
  async list(limit: number): Promise<readonly Act[]> {
    const rows = await this.#sql.query('SELECT * FROM acts ORDER BY number DESC LIMIT ?', [limit])
    return rows.map((row) => readAct(row))
  }
}

function readAct(row: SqlRow): Act {
  return {
    number: row['number'] as number,
    timeMs: row['time_ms'] as number,
    operator: row['operator'] as string,
    act: row['act'] as string,
    detail: row['detail'] as string,
  }
}
