import type { Clock } from '@quantum-ip/base'
import type { Sql } from './store/sql.ts'

/** Something that an operator did. */
export interface Act {
  readonly number: number
  readonly timeMs: number
  readonly operator: string
  readonly act: string
  readonly detail: string
}

/** The append-only record of operators' acts. */
export class Acts {
  readonly #sql: Sql
  readonly #clock: Clock

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql
    this.#clock = clock
  }

  /** Records an act. `detail` holds names and numbers, no secrets. */
  async record(operator: string, act: string, detail: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#sql.transact([
      {
        sql: 'INSERT INTO acts (time_ms, operator, act, detail) VALUES (?, ?, ?, ?)',
        params: [this.#clock.now(), operator, act, JSON.stringify(detail)],
      },
    ])
  }

  /** The last acts, newest first. */
  async list(limit: number): Promise<readonly Act[]> {
    const rows = await this.#sql.query('SELECT * FROM acts ORDER BY number DESC LIMIT ?', [limit])
    return rows.map((row) => ({
      number: row['number'] as number,
      timeMs: row['time_ms'] as number,
      operator: row['operator'] as string,
      act: row['act'] as string,
      detail: row['detail'] as string,
    }))
  }
}
