import type { DecisionRecord, LogRecord, SuppressionRecord } from '@quantum-ip/telemetry'

// Severity numbers of the OpenTelemetry log data model.
const info = { severityNumber: 9, severityText: 'INFO' } as const
const warn = { severityNumber: 13, severityText: 'WARN' } as const

type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } }

/** One log record of OTLP/JSON. */
interface OtlpRecord {
  readonly timeUnixNano: string
  readonly observedTimeUnixNano: string
  readonly severityNumber: number
  readonly severityText: string
  readonly eventName: string
  readonly body: AnyValue
  readonly attributes: readonly { readonly key: string; readonly value: AnyValue }[]
  readonly traceId?: string
}

/**
 * Records as one `ExportLogsServiceRequest` of OTLP/JSON ({@link https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding}):
 * integers of 64 bits as text, trace IDs in hexadecimal, names in lowerCamelCase. One resource for each enforcement point.
 */
export function otlpLogs(records: readonly LogRecord[], observedMs: number): string {
  const points = Map.groupBy(
    records.filter((record) => record.kind !== 'seal_key'),
    ({ point }) => point,
  )
  const resourceLogs = [...points].map(([point, of]) => ({
    resource: {
      attributes: [
        { key: 'service.name', value: { stringValue: 'quantum-ip-gateway' } },
        { key: 'service.instance.id', value: { stringValue: point } },
      ],
    },
    scopeLogs: [
      {
        scope: { name: 'quantum_ip.decisions' },
        logRecords: of.map((record) => otlpRecord(record, observedMs)),
      },
    ],
  }))
  return JSON.stringify({ resourceLogs })
}

function otlpRecord(record: DecisionRecord | SuppressionRecord, observedMs: number): OtlpRecord {
  const timeMs = record.kind === 'decision' ? record.timeMs : record.toMs
  const isCalm = record.kind === 'decision' && record.action === 'allow' && record.wouldBe === 'allow'
  const body =
    record.kind === 'decision'
      ? `${record.action} ${record.reason} ${record.service}`
      : `${record.count} records of ${record.reason} are not in the log`
  return {
    timeUnixNano: nanos(timeMs),
    observedTimeUnixNano: nanos(observedMs),
    ...(isCalm ? info : warn),
    eventName: record.kind === 'decision' ? 'quantum_ip.decision' : 'quantum_ip.decisions_suppressed',
    body: { stringValue: body },
    attributes: attributesOf(record),
    ...(record.kind === 'decision' && record.traceId !== null && { traceId: record.traceId }),
  }
}

function nanos(ms: number): string {
  return String(BigInt(Math.round(ms)) * 1_000_000n)
}

const leftOut = new Set(['kind', 'timeMs', 'toMs', 'traceId', 'facts'])

/** Every member of a record under `quantum_ip.`, those inside of others with a dot; facts by their own names. */
function attributesOf(record: DecisionRecord | SuppressionRecord): OtlpRecord['attributes'] {
  const members = Object.entries(record).filter(([name]) => !leftOut.has(name))
  // Records of an earlier version have none.
  const facts = record.kind === 'decision' ? Object.entries((record.facts as object | undefined) ?? {}) : []
  return [
    ...members.flatMap(([name, value]) => flat(`quantum_ip.${nameOf(name)}`, value)),
    ...facts.flatMap(([name, value]) => flat(`quantum_ip.fact.${name}`, value)),
  ]
}

function nameOf(member: string): string {
  if (member === 'id') return 'decision_id'
  return member.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function flat(key: string, value: unknown): OtlpRecord['attributes'] {
  if (value === null || value === undefined) return []
  if (typeof value === 'object' && !Array.isArray(value))
    return Object.entries(value).flatMap(([name, inner]) => flat(`${key}.${nameOf(name)}`, inner))
  return [{ key, value: anyValue(value) }]
}

function anyValue(value: unknown): AnyValue {
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  if (Array.isArray(value)) return { arrayValue: { values: value.map((each) => anyValue(each)) } }
  return { stringValue: String(value) }
}
