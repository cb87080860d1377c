import { type ErrorTable, QipError } from '@quantum-ip/base'

type Nothing = Readonly<Record<string, never>>

/** The codes of `@quantum-ip/enforce`. They come from configuration and from opening a point; of requests, only those of the workload API. */
export interface EnforceErrorDetails {
  /** A route, its match or its exempt list is not usable. */
  QIP_ENFORCE_ROUTE_INVALID: { readonly route: string; readonly reason: string }
  /** Two routes match exactly the same requests. */
  QIP_ENFORCE_ROUTE_CONFLICT: { readonly route: string; readonly other: string }
  /** An upstream is not an `http:`, `https:` or `unix:` address. */
  QIP_ENFORCE_UPSTREAM_INVALID: { readonly upstream: string; readonly reason: string }
  /** An option is out of its range. */
  QIP_ENFORCE_OPTION_INVALID: { readonly option: string; readonly reason: string }
  /** An address can't be listened on. */
  QIP_ENFORCE_LISTEN_FAILED: { readonly address: string; readonly reason: string }
  /** A gateway thread ended by itself. */
  QIP_ENFORCE_THREAD_FAILED: { readonly thread: number; readonly reason: string }
  /** A request to the workload API without the field that only a program sends which means to. */
  QIP_ENFORCE_WORKLOAD_FIELD_MISSING: Nothing
  /** No inbound call is remembered that a token should extend. */
  QIP_ENFORCE_CALL_UNKNOWN: Nothing
  /** Several callers are in the trace that a token should extend. */
  QIP_ENFORCE_CALL_AMBIGUOUS: Nothing
  /** The keys of the trust domain have not come yet. */
  QIP_ENFORCE_TRUST_MISSING: Nothing
  /** A token was asked for a request that cannot be bound to. */
  QIP_ENFORCE_REQUEST_UNUSABLE: { readonly reason: string }
}

const enforceErrors: ErrorTable<EnforceErrorDetails> = {
  QIP_ENFORCE_ROUTE_INVALID: {
    fault: 'caller',
    message: ({ route, reason }) => `route \`${route}\`: ${reason}`,
  },
  QIP_ENFORCE_ROUTE_CONFLICT: {
    fault: 'caller',
    message: ({ route, other }) => `route \`${route}\` matches exactly what route \`${other}\` matches`,
    next: () => 'give one of them another host, path or list of methods, or remove it',
  },
  QIP_ENFORCE_UPSTREAM_INVALID: {
    fault: 'caller',
    message: ({ upstream, reason }) => `upstream \`${upstream}\`: ${reason}`,
    next: () =>
      'write it as `http://host:port`, `https://host:port` or `unix:/path/to/socket`, without a path after the port',
  },
  QIP_ENFORCE_OPTION_INVALID: {
    fault: 'caller',
    message: ({ option, reason }) => `option \`${option}\`: ${reason}`,
  },
  QIP_ENFORCE_LISTEN_FAILED: {
    fault: 'conflict',
    message: ({ address, reason }) => `can't listen on \`${address}\`: ${reason}`,
    next: () => 'choose another address, or stop what listens there',
  },
  QIP_ENFORCE_THREAD_FAILED: {
    fault: 'defect',
    message: ({ thread, reason }) => `gateway thread ${thread} ended: ${reason}`,
  },
  QIP_ENFORCE_WORKLOAD_FIELD_MISSING: {
    fault: 'denied',
    message: () => 'the field `Quantum-IP-Workload: true` is missing',
    next: () => 'send it: it shows that the request was meant, and not passed on by somebody else',
  },
  QIP_ENFORCE_CALL_UNKNOWN: {
    fault: 'conflict',
    message: () => 'no inbound call is remembered in this trace',
    next: () =>
      'hand on `traceparent` and `tracestate` as they came with the call; or leave `extends` out, for a call of your own',
  },
  QIP_ENFORCE_CALL_AMBIGUOUS: {
    fault: 'conflict',
    message: () => 'several callers are in this trace, and nothing says for which of them this is',
    next: () => 'hand on `tracestate` as it came with the call, beside `traceparent`',
  },
  QIP_ENFORCE_TRUST_MISSING: {
    fault: 'busy',
    message: () => 'the keys of the trust domain have not come yet',
    next: () => 'ask again; `/readyz` says what is waited for',
  },
  QIP_ENFORCE_REQUEST_UNUSABLE: {
    fault: 'caller',
    message: ({ reason }) => `no token can be bound to this request: ${reason}`,
    next: () => 'give `method` and an absolute `url` of http or https',
  },
}

/** Thrown while an enforcement point is configured or opened. */
export class EnforceError<
  Code extends keyof EnforceErrorDetails = keyof EnforceErrorDetails,
> extends QipError<EnforceErrorDetails, Code> {
  constructor(code: Code, details: EnforceErrorDetails[Code], options?: ErrorOptions) {
    super(enforceErrors, code, details, options)
  }
}
