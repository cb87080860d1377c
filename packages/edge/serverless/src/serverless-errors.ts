import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/serverless`. */
export interface ServerlessErrorDetails {
  /** The function was invoked with something that is no HTTP request of API Gateway, a function URL or a load balancer. */
  QIP_SERVERLESS_EVENT_UNKNOWN: { readonly keys: readonly string[] }
  /** What was to be loaded after the first verified request has no such handler. */
  QIP_SERVERLESS_HANDLER_MISSING: { readonly name: string }
  /** A replay guard in the memory of one execution environment: a token used here could be used in each of the others. */
  QIP_SERVERLESS_REPLAY_LOCAL: { readonly scope: string }
}

const serverlessErrors: ErrorTable<ServerlessErrorDetails> = {
  QIP_SERVERLESS_EVENT_UNKNOWN: {
    fault: 'caller',
    message: ({ keys }) =>
      `the event is no HTTP request that this wrapper knows; it has ${keys.length === 0 ? 'no members' : keys.map((key) => `\`${key}\``).join(', ')}`,
    next: () =>
      'wrap only functions behind API Gateway (REST or HTTP API), a function URL or an Application Load Balancer, and give other triggers a function of their own',
  },
  QIP_SERVERLESS_HANDLER_MISSING: {
    fault: 'defect',
    message: ({ name }) => `the module that was loaded has no function \`${name}\``,
    next: () => 'export the handler under this name, or give the right one as `name`',
  },
  QIP_SERVERLESS_REPLAY_LOCAL: {
    fault: 'caller',
    message: ({ scope }) =>
      `the replay guard (scope \`${scope}\`) remembers one-time tokens in this execution environment alone`,
    next: () =>
      'use one that all environments share, as `openRedisGuard` of `@quantum-ip/replay`; or none: one-time tokens are refused then',
  },
}

/** Thrown where a function cannot be guarded as it must be. */
export class ServerlessError<
  Code extends keyof ServerlessErrorDetails = keyof ServerlessErrorDetails,
> extends QipError<ServerlessErrorDetails, Code> {
  constructor(code: Code, details: ServerlessErrorDetails[Code], options?: ErrorOptions) {
    super(serverlessErrors, code, details, options)
  }
}
