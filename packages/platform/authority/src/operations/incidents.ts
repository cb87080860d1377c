import type { Clock } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import { retryConflicts } from '../store/retry-conflicts.ts'
import type { Sql, SqlStatement, SqlValue } from '../store/sql.ts'
import {
  type Incident,
  type IncidentChange,
  type IncidentOrder,
  type IncidentStep,
  linkStatement,
  openStatement,
  readIncident,
  stepStatement,
} from './incident.ts'

/** Which incidents are listed. */
export interface IncidentQuery {
  readonly state?: Incident['state']
  /** Incidents before this number. */
  readonly before?: number
  readonly limit: number
}

/** What an operator adds to an incident, and who. */
export interface IncidentNote extends IncidentChange {
  readonly actor: string
  readonly note: string
}

const columns = { severity: 'severity', rootCause: 'root_cause', commander: 'commander' } as const

/** The incidents of the trust domain, and the append-only timeline of each. Several authorities may write at once. */
export class Incidents {
  readonly #sql: Sql
  readonly #clock: Clock

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql
    this.#clock = clock
  }

  /**
   * Opens an incident, durably.
   *
   * @param event the security event that it is about: opened once for each
   * @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` if the event belongs to an incident already
   */
  async open(order: IncidentOrder, event?: number): Promise<Incident> {
    const timeMs = this.#clock.now()
    const number = await retryConflicts(async () => {
      if (event !== undefined && (await this.incidentOf(event)) !== undefined) return undefined
      const next = (await this.#last('SELECT MAX(number) AS last FROM incidents', [])) + 1
      await this.#sql.transact([
        openStatement(next, timeMs, order),
        stepStatement(next, 1, { timeMs, actor: order.openedBy, act: 'opened', note: order.summary }),
        ...(event === undefined ? [] : [linkStatement(event, next)]),
      ])
      return next
    })
    if (number === undefined)
      throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what: `the incident of event ${event}` })
    return this.get(number)
  }

  /**
   * Adds to the timeline, and changes what is known better now.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND`
   */
  async note(number: number, { actor, note, ...change }: IncidentNote): Promise<Incident> {
    const known = Object.entries(columns).flatMap(([name, column]) => {
      const value = change[name as keyof IncidentChange]
      return value === undefined ? [] : [{ name, column, value }]
    })
    const set = [...known.map(({ column }) => `${column} = ?`), 'attended = 1'].join(', ')
    const said = known.map(({ name, value }) => `${name}: ${value ?? 'nobody knows'}`)
    await this.#step(
      number,
      { actor, act: 'noted', note: [note, ...said].filter((part) => part !== '').join('; ') },
      {
        sql: `UPDATE incidents SET ${set} WHERE number = ?`,
        params: [...known.map(({ value }) => value), number],
      },
    )
    return this.get(number)
  }

  /**
   * Links a security event to an incident.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` if it belongs to one already
   */
  async link(number: number, event: number, actor: string): Promise<void> {
    const incident = await this.incidentOf(event)
    if (incident === number) return
    if (incident !== undefined)
      throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what: `the incident of event ${event}` })
    await this.#step(
      number,
      { actor, act: 'linked', note: `security event ${event}` },
      linkStatement(event, number),
    )
  }

  /**
   * Closes an incident.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` · `QIP_AUTHORITY_CONFLICT` if it is closed already
   */
  async close(
    number: number,
    by: { readonly actor: string; readonly resolution: string },
  ): Promise<Incident> {
    const { state } = await this.get(number)
    if (state === 'closed')
      throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what: `incident ${number} is closed: it` })
    await this.#step(
      number,
      { actor: by.actor, act: 'closed', note: by.resolution },
      {
        sql: `UPDATE incidents SET state = 'closed', closed_ms = ?, closed_by = ?, resolution = ?
              WHERE number = ? AND state = 'open'`,
        params: [this.#clock.now(), by.actor, by.resolution, number],
      },
    )
    return this.get(number)
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  async get(number: number): Promise<Incident> {
    const [row] = await this.#sql.query('SELECT * FROM incidents WHERE number = ?', [number])
    if (row === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `incident ${number}` })
    return readIncident(row)
  }

  /** The newest first. */
  async list({ state, before, limit }: IncidentQuery): Promise<readonly Incident[]> {
    const filters = [
      ...(state === undefined ? [] : [['state = ?', state] as const]),
      ...(before === undefined ? [] : [['number < ?', before] as const]),
    ]
    const where = filters.length === 0 ? '' : ` WHERE ${filters.map(([sql]) => sql).join(' AND ')}`
    const rows = await this.#sql.query(`SELECT * FROM incidents${where} ORDER BY number DESC LIMIT ?`, [
      ...filters.map(([, value]) => value),
      limit,
    ])
    return rows.map((row) => readIncident(row))
  }

  /** The timeline of an incident, in order. */
  async steps(number: number): Promise<readonly IncidentStep[]> {
    const rows = await this.#sql.query('SELECT * FROM incident_steps WHERE incident = ? ORDER BY step', [
      number,
    ])
    return rows.map((row) => ({
      timeMs: row['time_ms'] as number,
      actor: row['actor'] as string,
      act: row['act'] as IncidentStep['act'],
      note: row['note'] as string,
    }))
  }

  /** The numbers of the security events that belong to an incident. */
  async eventsOf(number: number): Promise<readonly number[]> {
    const rows = await this.#sql.query(
      'SELECT event FROM incident_events WHERE incident = ? ORDER BY event',
      [number],
    )
    return rows.map((row) => row['event'] as number)
  }

  /** The incident that a security event belongs to. */
  async incidentOf(event: number): Promise<number | undefined> {
    const [row] = await this.#sql.query('SELECT incident FROM incident_events WHERE event = ?', [event])
    return row?.['incident'] as number | undefined
  }

  /** Forgets incidents that were closed before `beforeMs`. What nobody closed stays. */
  async prune(beforeMs: number): Promise<void> {
    const closed = "SELECT number FROM incidents WHERE state = 'closed' AND closed_ms < ?"
    await this.#sql.transact([
      { sql: `DELETE FROM incident_steps WHERE incident IN (${closed})`, params: [beforeMs] },
      { sql: "DELETE FROM incidents WHERE state = 'closed' AND closed_ms < ?", params: [beforeMs] },
      // As long as an event is kept it must not open another incident.
      { sql: 'DELETE FROM incident_events WHERE event NOT IN (SELECT number FROM security_events)' },
    ])
  }

  #step(number: number, step: Omit<IncidentStep, 'timeMs'>, change: SqlStatement): Promise<void> {
    return retryConflicts(async () => {
      await this.get(number)
      const sql = 'SELECT MAX(step) AS last FROM incident_steps WHERE incident = ?'
      const next = (await this.#last(sql, [number])) + 1
      await this.#sql.transact([
        stepStatement(number, next, { ...step, timeMs: this.#clock.now() }),
        { expect: 1, what: `incident ${number}`, ...change },
      ])
    })
  }

  async #last(sql: string, params: readonly SqlValue[]): Promise<number> {
    const [row] = await this.#sql.query(sql, params)
    return (row?.['last'] as number | null | undefined) ?? 0
  }
}
