import { type Clock, isQipError } from '@quantum-ip/base'
import { readRotation, type Rotation } from '../keys/rotation.ts'
import type { Sql } from '../store/sql.ts'
import type { Incidents } from './incidents.ts'
import type { Windows } from './windows.ts'

/** What the authority declares by itself is declared through. */
export interface ByItselfOptions {
  readonly sql: Sql
  readonly clock: Clock
  readonly incidents: Incidents
  readonly windows: Windows
  /** Told of an incident that it opened or closed. */
  readonly onIncident?: (incident: number, event: number | undefined) => void
}

/** A rotation that lasts longer is stuck: its alerts are wanted. */
export const rotationWindowMostMs = 60 * 60_000
/** How long after the new key took over what it may upset is expected. */
export const settledAfterMs = 5 * 60_000
const own = 'authority'
const eventsMax = 16

/**
 * Declares what nobody has to declare: an incident for a critical security event, a window for a rotation. All of it follows
 * from rows that are there, so that a crash in between, or another authority on the same store, leaves nothing out and does nothing twice.
 */
export class ByItself {
  readonly #options: ByItselfOptions

  constructor(options: ByItselfOptions) {
    this.#options = options
  }

  /** Declares what is due. @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` */
  async settle(): Promise<void> {
    await this.#openIncidents()
    await this.#closeIncidents()
    await this.#openWindows()
    await this.#closeWindows()
  }

  /**
   * An event belongs to the critical incident for all services that is open, else it opens one: several stolen keys in one night are
   * one incident, until somebody says otherwise.
   */
  async #openIncidents(): Promise<void> {
    const { sql, incidents, onIncident } = this.#options
    const rows = await sql.query(
      `SELECT number, kind, subject FROM security_events WHERE severity = 'critical' AND state <> 'closed'
       AND number NOT IN (SELECT event FROM incident_events) ORDER BY number LIMIT ?`,
      [eventsMax],
    )
    for (const row of rows) {
      const [event, kind, subject] = [
        row['number'] as number,
        row['kind'] as string,
        row['subject'] as string,
      ]
      const open = await incidents.list({ state: 'open', limit: 100 })
      const one = open.find(({ severity, services }) => severity === 'critical' && services.length === 0)
      const order = {
        title: `security event ${event}: ${kind}`,
        severity: 'critical',
        services: [],
        regions: [],
        summary: `about ${subject}`,
        rootCause: kind,
        commander: null,
        openedBy: own,
      } as const
      if (one !== undefined) await unlessOtherwise(incidents.link(one.number, event, own))
      else {
        const opened = await unlessOtherwise(incidents.open(order, event))
        if (opened !== undefined) onIncident?.(opened.number, event)
      }
    }
  }

  /** What nobody took up goes with its events. What an operator has had to do with, an operator closes. */
  async #closeIncidents(): Promise<void> {
    const { sql, incidents, onIncident } = this.#options
    const rows = await sql.query(
      `SELECT number FROM incidents WHERE state = 'open' AND attended = 0 AND opened_by = '${own}' AND NOT EXISTS (
         SELECT 1 FROM incident_events JOIN security_events ON security_events.number = incident_events.event
         WHERE incident_events.incident = incidents.number AND security_events.state <> 'closed')`,
    )
    for (const row of rows) {
      const number = row['number'] as number
      const closed = incidents.close(number, { actor: own, resolution: 'its security events were closed' })
      if ((await unlessOtherwise(closed)) !== undefined) onIncident?.(number, undefined)
    }
  }

  /** A compromised key is changed at once, without a window: whatever that upsets is part of an incident. */
  async #openWindows(): Promise<void> {
    const { sql, clock, windows } = this.#options
    const rows = await sql.query(
      `SELECT * FROM rotations WHERE phase <> 'ended' AND started_ms > ?
       AND number NOT IN (SELECT rotation FROM declared_windows WHERE rotation IS NOT NULL) ORDER BY number`,
      [clock.now() - rotationWindowMostMs],
    )
    for (const rotation of rows.map((row) => readRotation(row))) {
      if (isSettled(rotation, clock.now())) continue
      const opened = windows.open({
        kind: 'rotation',
        services: [],
        fromMs: rotation.startedMs,
        untilMs: rotation.startedMs + rotationWindowMostMs,
        reason: `rotation ${rotation.number} of ${rotation.use}, ${rotation.cause}`,
        owner: rotation.askedBy,
        openedBy: own,
        rotation: rotation.number,
      })
      await unlessOtherwise(opened)
    }
  }

  async #closeWindows(): Promise<void> {
    const { sql, clock, windows } = this.#options
    const now = clock.now()
    const rows = await sql.query(
      `SELECT rotations.*, declared_windows.number AS declared FROM rotations
       JOIN declared_windows ON declared_windows.rotation = rotations.number
       WHERE declared_windows.closed_ms IS NULL AND declared_windows.until_ms > ?`,
      [now],
    )
    for (const row of rows) {
      if (isSettled(readRotation(row), now))
        await unlessOtherwise(windows.close(row['declared'] as number, own))
    }
  }
}

/** Somebody else may have done it in the same moment. */
async function unlessOtherwise<Done>(doing: Promise<Done>): Promise<Done | undefined> {
  try {
    return await doing
  } catch (error) {
    if (isQipError(error, 'QIP_AUTHORITY_CONFLICT')) return undefined
    throw error
  }
}

/** Whether nothing is to be expected any more of a rotation that was not to be expected before it. */
function isSettled({ phase, activatedMs }: Rotation, nowMs: number): boolean {
  if (phase === 'ended') return true
  return activatedMs !== undefined && nowMs - activatedMs > settledAfterMs
}
