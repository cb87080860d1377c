import type { AdmissionRule } from '@quantum-ip/attestation'
import { type JsonObject, parseJson } from '@quantum-ip/base'
import type { Act } from './acts.ts'
import type { SecurityEvent } from './detection/security-events.ts'
import type { Sql, SqlRow } from './store/sql.ts'

/** A session that has not ended, without its key. */
export interface KnownSession {
  readonly sid: string
  readonly role: string
  readonly method: string
  readonly admittedMs: number
  readonly expiresS: number
  readonly builds: readonly {
    readonly digest: string
    /** The attestation that admission relied on; `null` where it relied on none. */
    readonly attestation: readonly [log: number, index: number] | null
  }[]
}

const rowsMax = 256

/**
 * Sessions of a service, or with a build. Those that ended are gone: what is kept of them is sealed to the key custodian.
 */
export async function sessionsAbout(sql: Sql, values: readonly string[]): Promise<readonly KnownSession[]> {
  const found = new Map<string, KnownSession>()
  for (const value of values) {
    const rows = await sql.query(
      `SELECT id, sid, role, detail, expires_s FROM sessions WHERE sid = ? OR detail LIKE ? ESCAPE '!' LIMIT ${rowsMax}`,
      [value, containing(JSON.stringify(value))],
    )
    for (const row of rows) found.set(row['id'] as string, readSession(row))
  }
  return [...found.values()]
}

function readSession(row: SqlRow): KnownSession {
  const { method, admittedMs, builds } = parseJson(row['detail'] as string) as unknown as {
    readonly method: string
    readonly admittedMs: number
    readonly builds: readonly (readonly [string, number, [number, number] | null])[]
  }
  return {
    sid: row['sid'] as string,
    role: row['role'] as string,
    method,
    admittedMs,
    expiresS: row['expires_s'] as number,
    builds: builds.map(([digest, , attestation]) => ({ digest, attestation })),
  }
}

/** What operators did about any of the values, the newest first. Asked by a person: a walk, and no index more on each act. */
export async function actsAbout(sql: Sql, values: readonly string[]): Promise<readonly Act[]> {
  const rows = await queryAbout(sql, { table: 'acts', columns: ['detail'], order: 'number' }, values)
  return rows.map((row) => ({
    number: row['number'] as number,
    timeMs: row['time_ms'] as number,
    operator: row['operator'] as string,
    act: row['act'] as string,
    detail: row['detail'] as string,
  }))
}

/** A security event, without the whole of its proof. */
export type EventSummary = Pick<
  SecurityEvent,
  'number' | 'timeMs' | 'kind' | 'severity' | 'subject' | 'log' | 'state' | 'action' | 'reports'
>

/** Security events about any of the values, the newest first. */
export async function eventsAbout(sql: Sql, values: readonly string[]): Promise<readonly EventSummary[]> {
  const from = { table: 'security_events', columns: ['subject', 'log'], order: 'number' }
  const rows = await queryAbout(sql, from, values)
  return rows.map((row) => ({
    number: row['number'] as number,
    timeMs: row['time_ms'] as number,
    kind: row['kind'] as EventSummary['kind'],
    severity: row['severity'] as EventSummary['severity'],
    subject: row['subject'] as string,
    log: row['log'] as string | null,
    state: row['state'] as EventSummary['state'],
    action: row['action'] as EventSummary['action'],
    reports: row['reports'] as number,
  }))
}

async function queryAbout(
  sql: Sql,
  {
    table,
    columns,
    order,
  }: { readonly table: string; readonly columns: readonly string[]; readonly order: string },
  values: readonly string[],
): Promise<readonly SqlRow[]> {
  if (values.length === 0) return []
  const one = columns.map((column) => `${column} LIKE ? ESCAPE '!'`).join(' OR ')
  return sql.query(
    `SELECT * FROM ${table} WHERE ${values.map(() => one).join(' OR ')} ORDER BY ${order} DESC LIMIT ${rowsMax}`,
    values.flatMap((value) => columns.map(() => containing(value))),
  )
}

function containing(text: string): string {
  return `%${text.replaceAll(/[!%_]/g, '!$&')}%`
}

/** An admission rule as configuration writes it. */
export function ruleJson({
  name,
  service,
  builder,
  source,
  subject,
  ref,
  slsaLevel,
}: AdmissionRule): JsonObject {
  return {
    name,
    service: service.text,
    builder: builder.text,
    ...(source !== undefined && { source: source.text }),
    ...(subject !== undefined && { subject: subject.text }),
    ...(ref !== undefined && { ref: ref.text }),
    ...(slsaLevel !== undefined && { slsaLevel }),
  }
}
