import { QipError, type ErrorTable } from '@quantum-ip/base'

/** The codes of `@quantum-ip/telemetry`. */
export interface TelemetryErrorDetails {
  /** The metrics of a process would have more time series than its budget. */
  QIP_TELEMETRY_SERIES_EXCEEDED: {
    readonly metric: string
    /** Series of all metrics up to this one. */
    readonly series: number
    readonly limit: number
  }
  /** A label's set of values is empty, has a value twice, or a value that no label may have. */
  QIP_TELEMETRY_LABEL_MALFORMED: { readonly label: string; readonly reason: string }
  /** An enforcement point's name cannot be part of a decision ID. */
  QIP_TELEMETRY_POINT_MALFORMED: { readonly characters: number }
  /** A text is not a decision ID. */
  QIP_TELEMETRY_DECISION_ID_MALFORMED: { readonly characters: number }
  /** A `traceparent` field does not follow W3C Trace Context, section 3.2. */
  QIP_TELEMETRY_TRACEPARENT_MALFORMED: { readonly reason: string }
}

const telemetryErrors: ErrorTable<TelemetryErrorDetails> = {
  QIP_TELEMETRY_SERIES_EXCEEDED: {
    fault: 'caller',
    message: ({ metric, series, limit }) =>
      `with \`${metric}\` this process would have ${series} time series, its budget is ${limit}`,
    next: () =>
      'list fewer services or policies by name (the rest is counted as `other`), or raise the budget of series',
  },
  QIP_TELEMETRY_LABEL_MALFORMED: {
    fault: 'caller',
    message: ({ label, reason }) => `the values of label \`${label}\` are malformed: ${reason}`,
  },
  QIP_TELEMETRY_POINT_MALFORMED: {
    fault: 'caller',
    message: ({ characters }) => `${characters} characters that cannot name an enforcement point`,
    next: () => 'use 1 to 63 of a-z, 0-9, `-` and `.`, with a letter or digit at both ends',
  },
  QIP_TELEMETRY_DECISION_ID_MALFORMED: {
    fault: 'caller',
    message: ({ characters }) => `${characters} characters that are not a decision ID`,
    next: () => 'copy it whole from the reply or the log: `<enforcement point>-<26 characters>`',
  },
  QIP_TELEMETRY_TRACEPARENT_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `malformed traceparent: ${reason}`,
  },
}

/** Thrown by the parsers and registrations of `@quantum-ip/telemetry`; never while a request is counted. */
export class TelemetryError<
  Code extends keyof TelemetryErrorDetails = keyof TelemetryErrorDetails,
> extends QipError<TelemetryErrorDetails, Code> {
  constructor(code: Code, details: TelemetryErrorDetails[Code], options?: ErrorOptions) {
    super(telemetryErrors, code, details, options)
  }
}
