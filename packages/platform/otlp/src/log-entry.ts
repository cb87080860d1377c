import type { JsonObject } from '@quantum-ip/base'
import type { SeverityNumber } from '@opentelemetry/api'
import type { DecisionRecord, SuppressionRecord } from '@quantum-ip/telemetry'

/** How much a log record matters. */
export type LogSeverity = 'info' | 'warn' | 'error'

/** One log record: something that happened, with what belongs to it. */
export interface LogEntry {
  /** What happened: `quantum_ip.decision` and so on. */
  readonly event: string
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly severity: LogSeverity
  readonly body: string | JsonObject
  readonly attributes?: Readonly<Record<string, string | number | boolean>>
  /** The span that it belongs to; absent where none was sampled. */
  readonly span?: { readonly traceId: string; readonly spanId: string } | undefined
}

/** What OpenTelemetry calls them. */
export const severityNumbers = {
  info: 9,
  warn: 13,
  error: 17,
} as const satisfies Record<LogSeverity, SeverityNumber>

/**
 * The log record of a decision: its body is the decision record, whole, as it was kept (redacted and sealed, where that is configured);
 * its attributes are what one searches by.
 *
 * @param span that of the verification, where its trace was sampled
 */
export function decisionEntry(record: DecisionRecord | SuppressionRecord, span?: LogEntry['span']): LogEntry {
  const body = record as unknown as JsonObject
  if (record.kind === 'suppressed') {
    const { id, point, reason, count, toMs } = record
    const attributes = {
      'quantum_ip.decision_id': id,
      'quantum_ip.enforcement_point': point,
      'quantum_ip.reason': reason,
      'quantum_ip.suppressed': count,
    }
    return { event: 'quantum_ip.decisions_suppressed', timeMs: toMs, severity: 'warn', body, attributes }
  }
  return {
    event: 'quantum_ip.decision',
    timeMs: record.timeMs,
    severity: record.action === 'allow' ? 'info' : 'warn',
    body,
    attributes: {
      'quantum_ip.decision_id': record.id,
      'quantum_ip.enforcement_point': record.point,
      'quantum_ip.service': record.service,
      'quantum_ip.status': record.status,
      'quantum_ip.reason': record.reason,
      'quantum_ip.action': record.action,
    },
    span,
  }
}
