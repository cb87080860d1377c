import type { RelayProblem } from './problem.ts'

/** The problem that stands for an error of the upstream connection. */
export function upstreamProblem(error: unknown): RelayProblem {
  switch (codeOf(error) ?? '') {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'upstream_connect_timeout'
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'upstream_timeout'
    case 'ECONNREFUSED':
    case 'ENOENT':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EACCES':
      return 'upstream_unreachable'
    case 'UND_ERR_INVALID_ARG':
      return 'request_malformed'
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      return 'stopping'
    default:
      return 'upstream_failed'
  }
}

/**
 * Whether a request that failed like this may be sent once more: the connection broke before any
 * answer, as happens when an upstream closes an idle connection just as a request takes it.
 */
export function connectionBroke(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  // Happy eyeballs: all addresses failed, and the first one says why.
  if (error instanceof AggregateError && error.code === undefined) return codeOf(error.errors[0])
  return typeof error.code === 'string' ? error.code : undefined
}
