import type { Word } from './words.ts'

/** What goes to an OpenTelemetry Collector, and how. */
export interface OtlpConfig {
  /** Without a slash at the end. */
  readonly endpoint: string
  readonly headersFile: string | undefined
  readonly caFile: string | undefined
  readonly protocol: OtlpProtocol
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly queueMax: number
  readonly metrics: boolean
  readonly logs: boolean
  readonly traces: TracesConfig
}

/** How messages are written. */
export type OtlpProtocol = Word<'otlpProtocol'>

/** Which traces are sampled. */
export interface TracesConfig {
  readonly share: number
  readonly incidentShare: number
  readonly perSecondMax: number
}
