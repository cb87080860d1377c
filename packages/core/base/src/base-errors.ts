import { QipError, type ErrorTable } from './errors.ts'

/** The codes of `@quantum-ip/base`. */
export interface BaseErrorDetails {
  /** A string is not base64url or base64 in its one canonical spelling (RFC 4648, sections 3.5, 4 and 5). */
  QIP_BASE_ENCODING_MALFORMED: { readonly encoding: 'base64' | 'base64url' | 'hex' | 'utf-8' }
  /** A text is not the strict JSON that is accepted here: RFC 8259 without duplicate names. */
  QIP_BASE_JSON_MALFORMED: { readonly offset: number; readonly reason: string }
  /** A service ID is not a SPIFFE ID of at most 512 bytes with a path. */
  QIP_BASE_SERVICE_ID_MALFORMED: { readonly reason: string }
  /** A pattern is not a service ID or URI with `*` and `**`. */
  QIP_BASE_PATTERN_MALFORMED: { readonly reason: string }
}

const baseErrors: ErrorTable<BaseErrorDetails> = {
  QIP_BASE_ENCODING_MALFORMED: {
    fault: 'caller',
    message: ({ encoding }) => `not canonical ${encoding}`,
  },
  QIP_BASE_JSON_MALFORMED: {
    fault: 'caller',
    message: ({ offset, reason }) => `not strict JSON at character ${offset}: ${reason}`,
  },
  QIP_BASE_SERVICE_ID_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a service ID: ${reason}`,
    next: () =>
      'write it as `spiffe://<trust domain>/<path>`, for example `spiffe://acme.example/ns/prod/sa/shop`',
  },
  QIP_BASE_PATTERN_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a pattern: ${reason}`,
  },
}

/** Thrown by the parsers of `@quantum-ip/base`. */
export class BaseError<Code extends keyof BaseErrorDetails = keyof BaseErrorDetails> extends QipError<
  BaseErrorDetails,
  Code
> {
  constructor(code: Code, details: BaseErrorDetails[Code], options?: ErrorOptions) {
    super(baseErrors, code, details, options)
  }
}
