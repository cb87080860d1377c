import type { LogRecord } from '@quantum-ip/telemetry'
import type { DecisionFilterOptions } from './decision-filter.ts'
import { parseSince } from './times.ts'

type Match = (record: LogRecord) => boolean

/**
 * The filter of the command line for records that are read here, without the authority. Logs may be named without their trust domain.
 *
 * What was suppressed is kept where only time, reason and enforcement point are asked for: of which service it was, nobody knows.
 */
export function decisionMatch(options: DecisionFilterOptions): Match {
  const { reason, enforcementPoint: point } = options
  const isNarrow = narrowing.some((name) => options[name] !== undefined && options[name] !== false)
  const isOf = fieldsMatch(options)
  return (record) => {
    if (record.kind === 'seal_key') return true
    if (reason !== undefined && !reason.includes(record.reason)) return false
    if (point !== undefined && record.point !== point) return false
    return record.kind === 'suppressed' ? !isNarrow : isOf(record)
  }
}

const narrowing = [
  'status',
  'action',
  'service',
  'subject',
  'build',
  'log',
  'token',
  'unlogged',
  'attestation',
  'policy',
  'rule',
  'trace',
] as const satisfies readonly (keyof DecisionFilterOptions)[]

/** The span of the filter, in milliseconds. */
export function spanOf({ since, until }: DecisionFilterOptions): { sinceMs?: number; untilMs?: number } {
  const now = Date.now()
  return {
    ...(since !== undefined && { sinceMs: parseSince(since, now) }),
    ...(until !== undefined && { untilMs: parseSince(until, now) }),
  }
}

function fieldsMatch(options: DecisionFilterOptions): (record: LogRecord & { kind: 'decision' }) => boolean {
  const { status, action, service, subject, build, log, token, unlogged, attestation, policy, rule, trace } =
    options
  const [policyName, version] = policy?.split(':') ?? []
  const wanted: readonly ((record: LogRecord & { kind: 'decision' }) => boolean)[] = [
    (record) => status === undefined || record.status === status,
    (record) => action === undefined || record.action === action,
    (record) => service === undefined || record.service === service,
    (record) => subject === undefined || record.subject === subject,
    (record) => build === undefined || record.build?.digest === build.replace(/^sha256:/, ''),
    (record) => log === undefined || isNamed(record.token?.log, log),
    (record) => token === undefined || isPlace(record.token, token),
    (record) => attestation === undefined || isPlace(record.attestation, attestation),
    (record) => unlogged !== true || record.head === 'unlogged',
    (record) => policyName === undefined || record.policy.name === policyName,
    (record) => version === undefined || String(record.policy.version) === version,
    (record) => rule === undefined || record.rule === rule,
    (record) => trace === undefined || record.traceId === trace,
  ]
  return (record) => wanted.every((holds) => holds(record))
}

function isNamed(log: string | undefined, name: string): boolean {
  return log !== undefined && (log === name || log.endsWith(`/${name}`))
}

function isPlace(place: { readonly log: string; readonly index: number } | null, text: string): boolean {
  const colon = text.lastIndexOf(':')
  return (
    place !== null &&
    isNamed(place.log, text.slice(0, colon)) &&
    String(place.index) === text.slice(colon + 1)
  )
}
