import { type Clock, type JsonObject, parseJson } from '@quantum-ip/base'
import type { SecurityEventKind } from '@quantum-ip/telemetry'
import { AuthorityError } from '../authority-errors.ts'
import { retryConflicts } from '../store/retry-conflicts.ts'
import type { Sql, SqlRow, SqlStatement } from '../store/sql.ts'

/** `critical`: there is proof that a key is stolen. `warning`: somebody should look. */
export type EventSeverity = 'critical' | 'warning'

/** What an operator has made of an event. */
export type EventState = 'open' | 'acknowledged' | 'closed'

/** What the authority does about an event: nothing, something that is still to be done, or that is done. */
export type EventAction = 'none' | 'due' | 'done'

/** Something that an operator must hear of, with its proof. */
export interface SecurityEvent {
  readonly number: number
  readonly timeMs: number
  readonly kind: SecurityEventKind
  readonly severity: EventSeverity
  /** What it is about: the thumbprint of a key, the ID of an unknown one, the use of keys. */
  readonly subject: string
  readonly log: string | null
  readonly proof: JsonObject
  /** The member that reported it first, or `authority`. */
  readonly reportedBy: string
  readonly state: EventState
  readonly action: EventAction
  /** How often it was seen. */
  readonly reports: number
  readonly lastMs: number
}

/** What was done about an event. */
export interface EventStep {
  readonly timeMs: number
  readonly actor: string
  readonly act: string
  readonly note: string
}

/** Something that was seen, before it is an event. */
export interface Sighting extends Pick<
  SecurityEvent,
  'kind' | 'severity' | 'subject' | 'log' | 'proof' | 'reportedBy' | 'action'
> {
  /** What makes it the same as one seen before. */
  readonly dedupe: string
}

/** Which events are listed. */
export interface EventQuery {
  /** Events after this number. */
  readonly after?: number
  readonly kind?: SecurityEventKind
  readonly state?: EventState
  readonly limit: number
}

/** From which states an operator may bring an event to another one. */
const stateAfter: Readonly<Record<'acknowledged' | 'closed', readonly EventState[]>> = {
  acknowledged: ['open'],
  closed: ['open', 'acknowledged'],
}

/** The security events of the trust domain, and the append-only record of what was done about each. */
export class SecurityEvents {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #onRaised: (event: SecurityEvent) => void
  #writing: Promise<unknown> = Promise.resolve()

  constructor(sql: Sql, clock: Clock, onRaised: (event: SecurityEvent) => void = () => undefined) {
    this.#sql = sql
    this.#clock = clock
    this.#onRaised = onRaised
  }

  /** Raises an event, durably, or counts one more report of it. */
  async raise(sighting: Sighting): Promise<{ readonly event: SecurityEvent; readonly isNew: boolean }> {
    const raised = await this.#inTurn(() => this.#raise(sighting))
    if (raised.isNew) this.#onRaised(raised.event)
    return raised
  }

  async #raise(sighting: Sighting) {
    const known = await this.#findBy('dedupe', sighting.dedupe)
    if (known !== undefined) return { event: await this.#count(known, sighting.action), isNew: false }
    await retryConflicts(() => this.#insert(sighting))
    const event = await this.#findBy('dedupe', sighting.dedupe)
    if (event === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'an event is not there' })
    return { event, isNew: true }
  }

  async #insert({ dedupe, ...seen }: Sighting): Promise<void> {
    const now = this.#clock.now()
    const [last] = await this.#sql.query('SELECT MAX(number) AS number FROM security_events')
    const number = ((last?.['number'] as number | null | undefined) ?? 0) + 1
    await this.#sql.transact([
      {
        sql: `INSERT INTO security_events (number, time_ms, kind, severity, subject, log, dedupe, proof, reported_by, state,
                action, reports, last_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, 1, ?) ON CONFLICT (number) DO NOTHING`,
        params: [
          number,
          now,
          seen.kind,
          seen.severity,
          seen.subject,
          seen.log,
          dedupe,
          JSON.stringify(seen.proof),
          seen.reportedBy,
          seen.action,
          now,
        ],
        expect: 1,
        what: 'the number of an event',
      },
      stepStatement(number, 1, { timeMs: now, actor: seen.reportedBy, act: 'raised', note: '' }),
    ])
  }

  // What was left to an operator is due once it is seen again under rules that act; what is done, or due, stays that.
  async #count(event: SecurityEvent, wanted: EventAction): Promise<SecurityEvent> {
    const lastMs = this.#clock.now()
    const isDue = event.action === 'none' && wanted === 'due'
    await this.#sql.transact([
      {
        sql: 'UPDATE security_events SET reports = reports + 1, last_ms = ? WHERE number = ?',
        params: [lastMs, event.number],
      },
      ...(isDue
        ? [
            {
              sql: "UPDATE security_events SET action = 'due' WHERE number = ? AND action = 'none'",
              params: [event.number],
            },
          ]
        : []),
    ])
    return { ...event, ...(isDue && { action: 'due' }), reports: event.reports + 1, lastMs }
  }

  /** Records what was done about an event, and whether that is all. */
  acted(number: number, step: Omit<EventStep, 'timeMs'>, action: EventAction): Promise<void> {
    return this.#inTurn(() =>
      this.#step(number, step, {
        sql: 'UPDATE security_events SET action = ? WHERE number = ?',
        params: [action, number],
      }),
    )
  }

  /**
   * An operator has seen an event, or is done with it.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` · `QIP_AUTHORITY_CONFLICT` if it is there already
   */
  async mark(
    number: number,
    state: 'acknowledged' | 'closed',
    by: { readonly actor: string; readonly note: string },
  ): Promise<SecurityEvent> {
    const before = await this.get(number)
    if (!stateAfter[state].includes(before.state))
      throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what: `event ${number} is ${before.state}: it` })
    await this.#inTurn(() =>
      this.#step(
        number,
        { ...by, act: state },
        { sql: 'UPDATE security_events SET state = ? WHERE number = ?', params: [state, number] },
      ),
    )
    return this.get(number)
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  async get(number: number): Promise<SecurityEvent> {
    const event = await this.#findBy('number', number)
    if (event === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `event ${number}` })
    return event
  }

  /** In the order of their numbers. */
  async list({ after = 0, kind, state, limit }: EventQuery): Promise<readonly SecurityEvent[]> {
    const filters = [
      ...(kind === undefined ? [] : [['kind = ?', kind] as const]),
      ...(state === undefined ? [] : [['state = ?', state] as const]),
    ]
    const rows = await this.#sql.query(
      `SELECT * FROM security_events WHERE number > ?${filters.map(([sql]) => ` AND ${sql}`).join('')} ORDER BY number LIMIT ?`,
      [after, ...filters.map(([, value]) => value), limit],
    )
    return rows.map((row) => read(row))
  }

  /** Those that were raised, or seen again, in a span of time; the first `limit` of them. */
  async listBetween(
    { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
    limit: number,
  ): Promise<readonly SecurityEvent[]> {
    const rows = await this.#sql.query(
      'SELECT * FROM security_events WHERE time_ms <= ? AND last_ms >= ? ORDER BY number LIMIT ?',
      [untilMs, fromMs, limit],
    )
    return rows.map((row) => read(row))
  }

  /** The event of this number, if it is kept still. */
  find(number: number): Promise<SecurityEvent | undefined> {
    return this.#findBy('number', number)
  }

  /** The critical events about which something is still to be done. */
  async due(): Promise<readonly SecurityEvent[]> {
    const rows = await this.#sql.query("SELECT * FROM security_events WHERE action = 'due' ORDER BY number")
    return rows.map((row) => read(row))
  }

  /** What was done about an event, in order. */
  async steps(number: number): Promise<readonly EventStep[]> {
    const rows = await this.#sql.query('SELECT * FROM security_event_steps WHERE event = ? ORDER BY step', [
      number,
    ])
    return rows.map((row) => ({
      timeMs: row['time_ms'] as number,
      actor: row['actor'] as string,
      act: row['act'] as string,
      note: row['note'] as string,
    }))
  }

  /** Forgets closed events that were last seen before `beforeMs`. What nobody closed stays. */
  async prune(beforeMs: number): Promise<void> {
    const closed = "state = 'closed' AND last_ms < ?"
    await this.#sql.transact([
      {
        sql: `DELETE FROM security_event_steps WHERE event IN (SELECT number FROM security_events WHERE ${closed})`,
        params: [beforeMs],
      },
      { sql: `DELETE FROM security_events WHERE ${closed}`, params: [beforeMs] },
    ])
  }

  #step(number: number, step: Omit<EventStep, 'timeMs'>, change: SqlStatement): Promise<void> {
    return retryConflicts(async () => {
      const [last] = await this.#sql.query(
        'SELECT MAX(step) AS step FROM security_event_steps WHERE event = ?',
        [number],
      )
      const next = ((last?.['step'] as number | null | undefined) ?? 0) + 1
      await this.#sql.transact([
        stepStatement(number, next, { ...step, timeMs: this.#clock.now() }),
        { ...change, expect: 1, what: `event ${number}` },
      ])
    })
  }

  async #findBy(column: 'dedupe' | 'number', value: string | number): Promise<SecurityEvent | undefined> {
    const [row] = await this.#sql.query(`SELECT * FROM security_events WHERE ${column} = ?`, [value])
    return row && read(row)
  }

  #inTurn<Result>(write: () => Promise<Result>): Promise<Result> {
    const written = this.#writing.catch(() => undefined).then(write)
    this.#writing = written
    return written
  }
}

function stepStatement(event: number, step: number, { timeMs, actor, act, note }: EventStep): SqlStatement {
  return {
    sql: `INSERT INTO security_event_steps (event, step, time_ms, actor, act, note) VALUES (?, ?, ?, ?, ?, ?)
          ON CONFLICT (event, step) DO NOTHING`,
    params: [event, step, timeMs, actor, act, note],
    expect: 1,
    what: 'the number of a step',
  }
}

function read(row: SqlRow): SecurityEvent {
  return {
    number: row['number'] as number,
    timeMs: row['time_ms'] as number,
    kind: row['kind'] as SecurityEventKind,
    severity: row['severity'] as EventSeverity,
    subject: row['subject'] as string,
    log: row['log'] as string | null,
    proof: parseJson(row['proof'] as string) as JsonObject,
    reportedBy: row['reported_by'] as string,
    state: row['state'] as EventState,
    action: row['action'] as EventAction,
    reports: row['reports'] as number,
    lastMs: row['last_ms'] as number,
  }
}
