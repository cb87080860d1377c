import type { JsonObject } from '@quantum-ip/base'
import { buildRevocation } from '@quantum-ip/trust'
import type { Act } from '../acts.ts'
import type { Authority } from '../authority.ts'
import type { SecurityEvent } from '../detection/security-events.ts'
import { readRolloutsBetween } from '../policies/policy-rows.ts'
import { rolloutJson } from '../routes/policy-schemas.ts'
import type { Rotation } from '../keys/rotation.ts'
import { type Incident, incidentJson, stepJson } from './incident.ts'
import { windowJson } from './windows.ts'

/** What led to an incident lies before it was opened. */
const leadMs = 15 * 60_000
/** Of each kind at most so many are told; the answer says where there were more. */
const mostOfEach = 500
const rotationsRead = 1_000

/** What a report is written from. */
export interface ReportGrounds {
  readonly authority: Pick<
    Authority,
    'operations' | 'watch' | 'acts' | 'rotations' | 'revocations' | 'decisions' | 'store' | 'clock'
  >
  readonly services: readonly JsonRow[]
}

type JsonRow = {
  readonly id: string
  readonly owner: string | undefined
  readonly tier: string
  readonly stage: string
}

/** A span of time, in milliseconds since 1970. */
interface Span {
  readonly fromMs: number
  readonly untilMs: number
}

/**
 * What the authority knows of the time of an incident, for the postmortem: its timeline, security events, acts of operators,
 * rotations, revocations, attestations, windows, and how decisions came out, from 15 minutes before it was opened to its end.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND`
 */
export async function reportOn(number: number, { authority, services }: ReportGrounds): Promise<JsonObject> {
  const { incidents } = authority.operations
  const incident = await incidents.get(number)
  const now = authority.clock.now()
  const span = { fromMs: incident.openedMs - leadMs, untilMs: incident.closedMs ?? now }
  const steps = await incidents.steps(number)
  return {
    incident: incidentJson(incident),
    ...span,
    mostOfEach,
    timeline: steps.map((step) => stepJson(step)),
    services: servicesOf(incident, services),
    securityEvents: await eventsIn(authority, number, span),
    acts: await actsIn(authority, span),
    rotations: await rotationsIn(authority, span),
    revocations: revocationsIn(authority, span),
    policies: await policiesIn(authority, span),
    windows: await windowsIn(authority, span, now),
    ...(await countsIn(authority, incident, span)),
  }
}

function servicesOf({ services }: Incident, declared: ReportGrounds['services']): JsonObject[] {
  const shown = services.length === 0 ? declared.map(({ id }) => id) : services
  return shown.map((id) => {
    const { owner = null, tier = null, stage = null } = declared.find((each) => each.id === id) ?? {}
    return { id, owner, tier, stage }
  })
}

/** Those of the incident, and whatever else was seen meanwhile. Proofs are with `qip events show`. */
async function eventsIn({ watch, operations }: ReportGrounds['authority'], incident: number, span: Span) {
  const linked = await operations.incidents.eventsOf(incident)
  const seen = await watch.events.listBetween(span, mostOfEach)
  const others = linked.filter((event) => !seen.some(({ number }) => number === event))
  const all = [...seen, ...(await Promise.all(others.map((event) => watch.events.find(event))))]
  return all
    .flatMap((event) => (event === undefined ? [] : [eventJson(event, linked.includes(event.number))]))
    .toSorted((one, other) => (one['number'] as number) - (other['number'] as number))
}

function eventJson(event: SecurityEvent, linked: boolean): JsonObject {
  const { number, timeMs, kind, severity, subject, state, action, reports, reportedBy } = event
  return { number, timeMs, kind, severity, subject, state, action, reports, reportedBy, linked }
}

async function actsIn(
  { acts }: ReportGrounds['authority'],
  { fromMs, untilMs }: Span,
): Promise<JsonObject[]> {
  const listed: readonly Act[] = await acts.listBetween({ fromMs, untilMs }, mostOfEach)
  return listed.map((act) => actJson(act))
}

async function rotationsIn({ rotations }: ReportGrounds['authority'], { fromMs, untilMs }: Span) {
  const listed: readonly Rotation[] = await rotations.list(rotationsRead)
  return listed
    .filter(({ startedMs, endedMs }) => startedMs <= untilMs && (endedMs ?? untilMs) >= fromMs)
    .slice(0, mostOfEach)
    .map(({ number, use, cause, askedBy, phase, startedMs, activatedMs, endedMs, outcome, detail }) => ({
      number,
      use,
      cause,
      askedBy,
      phase,
      startedMs,
      activatedMs: activatedMs ?? null,
      endedMs: endedMs ?? null,
      outcome: outcome ?? null,
      detail: detail ?? null,
    }))
}

function revocationsIn({ revocations }: ReportGrounds['authority'], { fromMs, untilMs }: Span): JsonObject[] {
  return revocations
    .list()
    .filter(({ time }) => time * 1_000 >= fromMs - 999 && time * 1_000 <= untilMs)
    .slice(-mostOfEach)
    .map((record) => buildRevocation(record))
}

/** What was rolled out; that an authority confirmed what was in force when it began is no change. */
async function policiesIn({ store }: ReportGrounds['authority'], span: Span): Promise<JsonObject[]> {
  const rollouts = await readRolloutsBetween(store.sql, span, mostOfEach)
  return rollouts
    .filter(({ document }) => document.action !== 'confirm')
    .map(({ document }) => rolloutJson(document))
}

async function windowsIn(
  { operations }: ReportGrounds['authority'],
  { fromMs, untilMs }: Span,
  nowMs: number,
) {
  const listed = await operations.windows.list({ untilAfterMs: fromMs, limit: mostOfEach })
  return listed.filter((window) => window.fromMs <= untilMs).map((window) => windowJson(window, nowMs))
}

function actJson({ number, timeMs, operator, act, detail }: Act): JsonObject {
  return { number, timeMs, operator, act, detail }
}

/**
 * How decisions came out, by service, reason and action, what enforcement points did not keep of them, and how many attestations were
 * registered. Those of an incident's services, or of all.
 */
async function countsIn(
  { decisions, store }: ReportGrounds['authority'],
  { services }: Incident,
  { fromMs, untilMs }: Span,
): Promise<JsonObject> {
  const span = { sinceMs: fromMs, untilMs: untilMs + 1 }
  const { groups, requests } = await decisions.count(span, ['service', 'reason', 'action'])
  const shown = groups.filter(({ by }) => services.length === 0 || services.includes(by.service as string))
  const suppressed = await decisions.suppressed(span)
  const [attestations] = await store.sql.query(
    'SELECT COUNT(*) AS registered, MIN(time_ms) AS first, MAX(time_ms) AS last FROM attestations WHERE time_ms >= ? AND time_ms <= ?',
    [fromMs, untilMs],
  )
  return {
    requests,
    decisions: shown.slice(0, mostOfEach).map(({ by, count, requests: standsFor }) => ({
      service: by.service ?? null,
      reason: by.reason ?? null,
      action: by.action ?? null,
      count,
      requests: standsFor,
    })),
    suppressed: suppressed.map(({ point, reason, count }) => ({ point, reason, count })),
    attestations: {
      registered: attestations?.['registered'] as number,
      firstMs: (attestations?.['first'] ?? null) as number | null,
      lastMs: (attestations?.['last'] ?? null) as number | null,
    },
  }
}
