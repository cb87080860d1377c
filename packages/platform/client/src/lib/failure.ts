import { ClientError } from '../client-errors.ts'
import { redact } from './redact.ts'

/** What a failed attempt leaves behind. */
export interface Failure {
  readonly error: ClientError
  /** The request was certainly not sent: it may go elsewhere, whatever it is. */
  readonly isUnsent: boolean
  /** Trying again makes sense. */
  readonly isPassing: boolean
  /** Milliseconds that the authority asked to wait. */
  readonly retryAfterMs?: number
}

// Errors of the connection, in words. What is not here is shown by its code.
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not use the socket',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name cannot be resolved now',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'the connection timed out',
  EPIPE: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_SOCKET: 'the connection ended before the answer did',
  UND_ERR_HEADERS_OVERFLOW: 'the answer has too many header fields',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer is not as long as announced',
}

const unsent = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Whether an error of the connection says that TLS failed. */
function isTlsFailure(code: string): boolean {
  return /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA)/.test(
    code,
  )
}

/**
 * An error of the HTTP client as one of ours. Its message and properties are left behind: the code alone says what happened, and
 * can hold nothing of the request.
 */
export function connectionFailure(error: unknown, operation: string, address: string): Failure {
  if (error instanceof ClientError) {
    // Made on the way: by the check of the certificate, before anything was sent, or by a limit of the answer.
    return { error, isUnsent: error.code === 'QIP_CLIENT_CHANNEL_REFUSED', isPassing: false }
  }
  const code = codeOf(error)
  if (isTlsFailure(code)) {
    const reason = `the TLS handshake failed (${code})`
    const refused = new ClientError('QIP_CLIENT_CHANNEL_REFUSED', { address, reason })
    return { error: refused, isUnsent: true, isPassing: false }
  }
  return {
    error: unavailable(operation, words[code] ?? `the connection failed (${code})`),
    isUnsent: unsent.has(code),
    isPassing: true,
  }
}

// With several addresses for one name, Node gives an AggregateError; its parts mostly say the same.
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return redact(error.code)
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  return error.name
}

/** Nobody could be asked, or the answer is not one. */
export function unavailable(operation: string, reason: string): ClientError {
  return new ClientError('QIP_CLIENT_AUTHORITY_UNAVAILABLE', { operation, reason })
}
