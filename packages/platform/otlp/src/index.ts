export { decisionEntry, type LogEntry, type LogSeverity } from './log-entry.ts'
export { type Otlp, openOtlp } from './otlp.ts'
export type { OtlpOptions, OtlpSender } from './otlp-options.ts'
