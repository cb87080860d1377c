import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/enforce`. All of them come from configuration or from opening a point, never from a request. */
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
}

/** Thrown while an enforcement point is configured or opened. */
export class EnforceError<
  Code extends keyof EnforceErrorDetails = keyof EnforceErrorDetails,
> extends QipError<EnforceErrorDetails, Code> {
  constructor(code: Code, details: EnforceErrorDetails[Code], options?: ErrorOptions) {
    super(enforceErrors, code, details, options)
  }
}
