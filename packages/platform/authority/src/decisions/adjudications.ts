import { type Clock, isQipError } from '@quantum-ip/base'
import type { Acts } from '../acts.ts'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql } from '../store/sql.ts'
import { numberOfName } from './decision-names.ts'

/** What an operator can say of a decision. */
export const adjudicationVerdicts = ['false_positive', 'confirmed'] as const

/** One of {@link adjudicationVerdicts}. */
export type AdjudicationVerdict = (typeof adjudicationVerdicts)[number]

/** What an operator said of a decision. */
export interface Adjudication {
  readonly timeMs: number
  readonly operator: string
  readonly verdict: AdjudicationVerdict
  readonly note: string
}

/** How many of those that were flagged should not have been. */
export interface FalsePositives {
  /** Decisions that were adjudicated in the end as false positives, and as right. */
  readonly falsePositives: number
  readonly confirmed: number
}

// As with the acts of operators, the database does not number by itself.
const insert = `INSERT INTO decision_adjudications (decision, number, time_ms, operator, verdict, note)
  SELECT CAST(? AS TEXT), COALESCE(MAX(number), 0) + 1, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT)
  FROM decision_adjudications WHERE decision = ? ON CONFLICT (decision, number) DO NOTHING`

const attemptsMax = 20

/** What operators say of decisions: an append-only history for each, of which the last one counts. */
export class Adjudications {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #acts: Acts
  readonly #onMarked: (verdict: AdjudicationVerdict) => void

  constructor(
    parts: { readonly sql: Sql; readonly clock: Clock; readonly acts: Acts },
    onMarked: (verdict: AdjudicationVerdict) => void = () => undefined,
  ) {
    this.#sql = parts.sql
    this.#clock = parts.clock
    this.#acts = parts.acts
    this.#onMarked = onMarked
  }

  /** Adds what an operator says. @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` without such a decision */
  async mark(id: string, said: Omit<Adjudication, 'timeMs'>): Promise<Adjudication> {
    const [known] = await this.#sql.query('SELECT id FROM decision_index WHERE id = ?', [id])
    if (known === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'decision' })
    const { operator, verdict, note } = said
    const timeMs = this.#clock.now()
    const params = [id, timeMs, operator, verdict, note, id]
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#sql.transact([
          { sql: insert, params, expect: 1, what: 'the adjudications of the decision' },
        ])
        break
      } catch (error) {
        // Two at once: one of them takes the number, the other the next.
        if (attempt === attemptsMax || !isQipError(error, 'QIP_AUTHORITY_CONFLICT')) throw error
      }
    }
    await this.#acts.record(operator, 'adjudicate', { decision: id, verdict })
    this.#onMarked(verdict)
    return { timeMs, operator, verdict, note }
  }

  /** What was said of a decision, in order. */
  async of(id: string): Promise<readonly Adjudication[]> {
    const rows = await this.#sql.query(
      'SELECT * FROM decision_adjudications WHERE decision = ? ORDER BY number LIMIT 1000',
      [id],
    )
    return rows.map((row) => ({
      timeMs: row['time_ms'] as number,
      operator: row['operator'] as string,
      verdict: row['verdict'] as AdjudicationVerdict,
      note: row['note'] as string,
    }))
  }

  /** What counts for each of these decisions that anything was said of. */
  async last(ids: readonly string[]): Promise<Readonly<Record<string, AdjudicationVerdict>>> {
    if (ids.length === 0) return {}
    const rows = await this.#sql.query(
      `SELECT decision, verdict FROM decision_adjudications WHERE decision IN (${ids.map(() => '?').join(', ')})
       ORDER BY decision, number`,
      ids,
    )
    return Object.fromEntries(rows.map((row) => [row['decision'], row['verdict']])) as Record<
      string,
      AdjudicationVerdict
    >
  }

  /** What was said of flagged decisions of a span of time. */
  async falsePositives({
    sinceMs,
    untilMs,
  }: {
    readonly sinceMs: number
    readonly untilMs: number
  }): Promise<FalsePositives> {
    const rows = await this.#sql.query(
      `SELECT a.verdict, COUNT(*) AS n FROM decision_adjudications a JOIN decision_index i ON i.id = a.decision
       WHERE i.time_ms >= ? AND i.time_ms < ? AND i.action <> ?
         AND a.number = (SELECT MAX(b.number) FROM decision_adjudications b WHERE b.decision = a.decision)
       GROUP BY a.verdict`,
      [sinceMs, untilMs, numberOfName('allow')],
    )
    const counts = new Map(rows.map((row) => [row['verdict'], row['n'] as number]))
    return { falsePositives: counts.get('false_positive') ?? 0, confirmed: counts.get('confirmed') ?? 0 }
  }
}
