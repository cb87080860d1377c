import { type JsonObject, parseJson } from '@quantum-ip/base'
import type { IncidentSeverity } from '@quantum-ip/telemetry'
import type { SqlRow, SqlStatement } from '../store/sql.ts'

/** Something that goes on and that people work on. */
export interface Incident {
  readonly number: number
  readonly openedMs: number
  readonly title: string
  readonly severity: IncidentSeverity
  /** Service IDs; empty: all services. */
  readonly services: readonly string[]
  /** Empty: all regions. */
  readonly regions: readonly string[]
  readonly summary: string
  /** What alerts of the same cause are grouped by, as far as it is known. */
  readonly rootCause: string | null
  /** Who leads the work on it. */
  readonly commander: string | null
  /** An operator, or `authority`. */
  readonly openedBy: string
  readonly state: 'open' | 'closed'
  /** Whether an operator has had to do with it. */
  readonly attended: boolean
  readonly closedMs: number | null
  readonly closedBy: string | null
  readonly resolution: string | null
}

/** What an incident is opened with. */
export type IncidentOrder = Pick<
  Incident,
  'title' | 'severity' | 'services' | 'regions' | 'summary' | 'rootCause' | 'commander' | 'openedBy'
>

/** What may become known of an incident later. */
export type IncidentChange = Partial<Pick<Incident, 'severity' | 'rootCause' | 'commander'>>

/** One entry of an incident's timeline. */
export interface IncidentStep {
  readonly timeMs: number
  readonly actor: string
  readonly act: 'opened' | 'noted' | 'linked' | 'closed'
  readonly note: string
}

/** An incident out of its row. */
export function readIncident(row: SqlRow): Incident {
  return {
    number: row['number'] as number,
    openedMs: row['opened_ms'] as number,
    title: row['title'] as string,
    severity: row['severity'] as IncidentSeverity,
    services: namesOf(row['services'] as string),
    regions: namesOf(row['regions'] as string),
    summary: row['summary'] as string,
    rootCause: row['root_cause'] as string | null,
    commander: row['commander'] as string | null,
    openedBy: row['opened_by'] as string,
    state: row['state'] as Incident['state'],
    attended: row['attended'] === 1,
    closedMs: row['closed_ms'] as number | null,
    closedBy: row['closed_by'] as string | null,
    resolution: row['resolution'] as string | null,
  }
}

/** A list of names as it is kept. */
export function namesOf(text: string): readonly string[] {
  return parseJson(text) as unknown as readonly string[]
}

/** Keeps an incident under its number. A conflict says that the number is taken. */
export function openStatement(number: number, openedMs: number, order: IncidentOrder): SqlStatement {
  return {
    sql: `INSERT INTO incidents (number, opened_ms, title, severity, services, regions, summary, root_cause, commander, opened_by,
            state, attended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?) ON CONFLICT (number) DO NOTHING`,
    params: [
      number,
      openedMs,
      order.title,
      order.severity,
      JSON.stringify(order.services),
      JSON.stringify(order.regions),
      order.summary,
      order.rootCause,
      order.commander,
      order.openedBy,
      order.openedBy === 'authority' ? 0 : 1,
    ],
    expect: 1,
    what: 'the number of an incident',
  }
}

/** Adds to the timeline. A conflict says that the place is taken. */
export function stepStatement(
  incident: number,
  step: number,
  { timeMs, actor, act, note }: IncidentStep,
): SqlStatement {
  return {
    sql: `INSERT INTO incident_steps (incident, step, time_ms, actor, act, note) VALUES (?, ?, ?, ?, ?, ?)
          ON CONFLICT (incident, step) DO NOTHING`,
    params: [incident, step, timeMs, actor, act, note],
    expect: 1,
    what: 'the number of a step',
  }
}

/** Says that an event belongs to an incident. A conflict says that it belongs to one already. */
export function linkStatement(event: number, incident: number): SqlStatement {
  return {
    sql: 'INSERT INTO incident_events (event, incident) VALUES (?, ?) ON CONFLICT (event) DO NOTHING',
    params: [event, incident],
    expect: 1,
    what: `the incident of event ${event}`,
  }
}

/** An incident as the API shows it. */
export function incidentJson(incident: Incident): JsonObject {
  return { ...incident, services: [...incident.services], regions: [...incident.regions] }
}

/** An entry of a timeline as the API shows it. */
export function stepJson({ timeMs, actor, act, note }: IncidentStep): JsonObject {
  return { timeMs, actor, act, note }
}
