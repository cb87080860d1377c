import type { RedactableField, RedactionMethod } from '@quantum-ip/telemetry'

/** The decision log. */
export interface DecisionsConfig {
  /** Of verified decisions; all others are recorded. */
  readonly verifiedShare: number
  /** Of verified decisions while an incident is open, if that is more. */
  readonly incidentShare: number
  /** Records per reason and second; what is above is counted. */
  readonly perReasonPerSecond: number
  /** How long the authority keeps records. */
  readonly keepMs: number
  /** Where a gateway keeps its own, in a folder of its name. */
  readonly folder: string
  readonly sizeMax: number
  readonly perReasonSizeMax: number
  readonly segmentBytesMax: number
  readonly segmentMs: number
  readonly keepLocalMs: number
  readonly perReason: readonly ReasonConfig[]
  readonly redact: readonly { readonly field: RedactableField; readonly method: RedactionMethod }[]
  readonly hashKeyFile: string | undefined
  readonly seal: { readonly keyFile: string; readonly fields: readonly RedactableField[] } | undefined
}

/** What is kept of one reason. */
export interface ReasonConfig {
  readonly reason: string
  readonly perSecond: number
  readonly sizeMax: number
  readonly keepLocalMs: number
}
