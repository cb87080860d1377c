import type { Clock, JsonObject } from '@quantum-ip/base'
import type { WindowKind } from '@quantum-ip/telemetry'
import { AuthorityError } from '../authority-errors.ts'
import { retryConflicts } from '../store/retry-conflicts.ts'
import type { Sql, SqlRow } from '../store/sql.ts'
import { namesOf } from './incident.ts'

/** A time in which alerts about services are not wanted, because somebody works on them. */
export interface DeclaredWindow {
  readonly number: number
  readonly kind: WindowKind
  /** Service IDs; empty: all services. */
  readonly services: readonly string[]
  readonly fromMs: number
  readonly untilMs: number
  readonly reason: string
  readonly owner: string
  /** An operator, or `authority`. */
  readonly openedBy: string
  readonly openedMs: number
  readonly closedMs: number | null
  readonly closedBy: string | null
  /** The rotation whose window it is. */
  readonly rotation: number | null
}

/** What a window is declared with. */
export type WindowOrder = Pick<
  DeclaredWindow,
  'kind' | 'services' | 'fromMs' | 'untilMs' | 'reason' | 'owner' | 'openedBy' | 'rotation'
>

/** Where a window is at a moment. */
export type WindowState = 'scheduled' | 'open' | 'over'

/** Where a window is at `nowMs`. */
export function windowStateAt(
  { fromMs, untilMs, closedMs }: Pick<DeclaredWindow, 'fromMs' | 'untilMs' | 'closedMs'>,
  nowMs: number,
): WindowState {
  if (untilMs <= nowMs || (closedMs !== null && closedMs <= nowMs)) return 'over'
  return fromMs <= nowMs ? 'open' : 'scheduled'
}

/** A window is no way to switch alerts off. */
export const windowMostMs = 7 * 24 * 3_600_000
/** How far ahead one may be scheduled. */
const aheadMostMs = 90 * 24 * 3_600_000
/** Clocks of those who ask differ a little. */
const pastMostMs = 60_000

/** The windows of the trust domain. */
export class Windows {
  readonly #sql: Sql
  readonly #clock: Clock

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql
    this.#clock = clock
  }

  /**
   * Declares a window, now or ahead.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_WINDOW_REFUSED`
   */
  async open(order: WindowOrder): Promise<DeclaredWindow> {
    const now = this.#clock.now()
    const { fromMs, untilMs } = order
    if (order.rotation === null && fromMs < now - pastMostMs) refuse('it would begin in the past')
    if (untilMs <= Math.max(fromMs, now)) refuse('it would be over before it begins')
    if (untilMs - fromMs > windowMostMs) refuse('it would be longer than 7 days')
    if (fromMs > now + aheadMostMs) refuse('it would begin more than 90 days ahead')
    const number = await retryConflicts(async () => {
      const [row] = await this.#sql.query('SELECT MAX(number) AS last FROM declared_windows')
      const next = ((row?.['last'] as number | null | undefined) ?? 0) + 1
      await this.#sql.transact([
        {
          sql: `INSERT INTO declared_windows (number, kind, services, from_ms, until_ms, reason, owner, opened_by, opened_ms, rotation)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
          params: [
            next,
            order.kind,
            JSON.stringify(order.services),
            fromMs,
            untilMs,
            order.reason,
            order.owner,
            order.openedBy,
            now,
            order.rotation,
          ],
          expect: 1,
          what: 'the number of a window',
        },
      ])
      return next
    })
    return this.get(number)
  }

  /**
   * Ends a window before its time; one that has not begun never does.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` · `QIP_AUTHORITY_CONFLICT` if it is over already
   */
  async close(number: number, actor: string): Promise<DeclaredWindow> {
    const now = this.#clock.now()
    if (windowStateAt(await this.get(number), now) === 'over')
      throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what: `window ${number} is over: it` })
    await this.#sql.transact([
      {
        sql: 'UPDATE declared_windows SET closed_ms = ?, closed_by = ? WHERE number = ? AND closed_ms IS NULL',
        params: [now, actor, number],
        expect: 1,
        what: `window ${number}`,
      },
    ])
    return this.get(number)
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  async get(number: number): Promise<DeclaredWindow> {
    const [row] = await this.#sql.query('SELECT * FROM declared_windows WHERE number = ?', [number])
    if (row === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `window ${number}` })
    return readWindow(row)
  }

  /** The newest first. `untilAfterMs`: only those that were not over by then. */
  async list({
    untilAfterMs = 0,
    limit,
  }: {
    readonly untilAfterMs?: number
    readonly limit: number
  }): Promise<readonly DeclaredWindow[]> {
    const rows = await this.#sql.query(
      `SELECT * FROM declared_windows WHERE until_ms > ? AND (closed_ms IS NULL OR closed_ms > ?)
       ORDER BY number DESC LIMIT ?`,
      [untilAfterMs, untilAfterMs, limit],
    )
    return rows.map((row) => readWindow(row))
  }

  /** Forgets windows that were over before `beforeMs`. */
  async prune(beforeMs: number): Promise<void> {
    await this.#sql.transact([{ sql: 'DELETE FROM declared_windows WHERE until_ms < ?', params: [beforeMs] }])
  }
}

function refuse(reason: string): never {
  throw new AuthorityError('QIP_AUTHORITY_WINDOW_REFUSED', { reason })
}

function readWindow(row: SqlRow): DeclaredWindow {
  return {
    number: row['number'] as number,
    kind: row['kind'] as WindowKind,
    services: namesOf(row['services'] as string),
    fromMs: row['from_ms'] as number,
    untilMs: row['until_ms'] as number,
    reason: row['reason'] as string,
    owner: row['owner'] as string,
    openedBy: row['opened_by'] as string,
    openedMs: row['opened_ms'] as number,
    closedMs: row['closed_ms'] as number | null,
    closedBy: row['closed_by'] as string | null,
    rotation: row['rotation'] as number | null,
  }
}

/** A window as the API shows it. */
export function windowJson(window: DeclaredWindow, nowMs: number): JsonObject {
  return { ...window, services: [...window.services], state: windowStateAt(window, nowMs) }
}
