import { STATUS_CODES } from 'node:http'
import { type CodedError, type Fault, isQipError } from '@quantum-ip/base'
import { type Static, Type } from 'typebox'
import { HttpError, type HttpErrorDetails } from './http-errors.ts'

/** The media type of {@link Problem} (RFC 9457, section 3). */
export const problemType = 'application/problem+json'

/** The schema of an error reply: RFC 9457, with our code and what to do next. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: '`urn:quantum-ip:error:` and the code' }),
    title: Type.String({ description: 'the status in words' }),
    status: Type.Integer(),
    detail: Type.String({ description: 'for people; may change' }),
    code: Type.String({ description: 'for programs; stays' }),
    next: Type.Optional(Type.String({ description: 'what to do' })),
    path: Type.Optional(Type.String({ description: 'JSON pointer to what is wrong in the request' })),
    nearest: Type.Optional(Type.String({ description: 'the known name that was probably meant' })),
    requestId: Type.Optional(Type.String({ description: 'absent where no request was read' })),
  },
  { additionalProperties: false, title: 'Problem', description: 'an error (RFC 9457)' },
)

/** An error reply. */
export type Problem = Static<typeof problemSchema>

const statusOfFault: Record<Fault, number> = {
  caller: 400,
  denied: 403,
  conflict: 409,
  busy: 503,
  defect: 500,
}

// Where HTTP itself has a status for what the server noticed before any handler ran.
const statusOfCode: { readonly [Code in keyof HttpErrorDetails]?: number } = {
  QIP_HTTP_BODY_TOO_LARGE: 413,
  QIP_HTTP_MEDIA_TYPE_UNSUPPORTED: 415,
  QIP_HTTP_ROUTE_UNKNOWN: 404,
  QIP_HTTP_CREDENTIAL_UNKNOWN: 404,
  QIP_HTTP_HEADERS_TOO_LARGE: 431,
  QIP_HTTP_REQUEST_TIMEOUT: 408,
  QIP_HTTP_CREDENTIAL_MISSING: 401,
  QIP_HTTP_CREDENTIAL_INVALID: 401,
}

const statusByCode: Readonly<Record<string, number | undefined>> = statusOfCode

/**
 * The HTTP status of an error: by its fault. A few codes of this package have one of their own, and what a caller
 * asked for and is not there, by whichever package (`…_NOT_FOUND`), is 404.
 */
export function statusOf(error: CodedError): number {
  const named = error instanceof HttpError ? statusByCode[error.code] : undefined
  return named ?? (isMissing(error) ? 404 : statusOfFault[error.fault])
}

const isMissing = ({ fault, code }: CodedError): boolean => fault === 'caller' && code.endsWith('_NOT_FOUND')

/** What {@link codedError} adds. */
export interface CodedErrorOptions {
  readonly requestId: string
  /** The limit of the route. */
  readonly bodyBytesMax?: number | undefined
}

/**
 * The error as one of ours: those that fastify and Node raise for a request become codes of this package,
 * and whatever else was thrown becomes `QIP_HTTP_DEFECT`, whose message tells nothing of it.
 */
export function codedError(error: unknown, { requestId, bodyBytesMax }: CodedErrorOptions): CodedError {
  if (isQipError(error)) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new HttpError('QIP_HTTP_BODY_TOO_LARGE', { sizeMax: bodyBytesMax }, { cause: error })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new HttpError('QIP_HTTP_MEDIA_TYPE_UNSUPPORTED', {}, { cause: error })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return malformed('the body is not as long as announced', error)
    case 'FST_ERR_BAD_URL':
      return malformed('the path has a malformed percent escape', error)
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return malformed('a part of the path is too long', error)
    case 'FST_ERR_HANDLER_TIMEOUT':
      return new HttpError('QIP_HTTP_HANDLER_TIMEOUT', {}, { cause: error })
    case 'ECONNRESET':
      return malformed('the connection ended before the request did', error)
    default:
      return new HttpError('QIP_HTTP_DEFECT', { requestId }, { cause: error })
  }
}

function malformed(reason: string, cause: unknown): HttpError {
  return new HttpError('QIP_HTTP_REQUEST_MALFORMED', { reason }, { cause })
}

/** What {@link problemOf} adds to an error. */
export interface ProblemOptions {
  readonly requestId?: string
  /** Absent: by the error. */
  readonly status?: number
}

/**
 * An error as its reply. A defect keeps its code and loses its message: what went wrong inside is told to
 * operators, by the request ID, not to callers.
 */
export function problemOf(error: CodedError, options: ProblemOptions = {}): Problem {
  const { requestId, status = statusOf(error) } = options
  const shown =
    error.fault === 'defect' ? new HttpError('QIP_HTTP_DEFECT', { requestId: requestId ?? '' }) : error
  const invalid =
    error instanceof HttpError && error.code === 'QIP_HTTP_REQUEST_INVALID' ? error.details : undefined
  const { path, nearest } = (invalid ?? {}) as { path?: string; nearest?: string }
  return {
    type: `urn:quantum-ip:error:${error.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: shown.message,
    code: error.code,
    ...(shown.next === undefined ? {} : { next: shown.next }),
    ...(path === undefined ? {} : { path }),
    ...(nearest === undefined ? {} : { nearest }),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

/** Header fields that an error's reply carries beside its body. */
export function problemHeaders(error: CodedError): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': problemType, 'cache-control': 'no-store' }
  if (isQipError(error, 'QIP_HTTP_CREDENTIAL_MISSING'))
    headers['www-authenticate'] = 'Bearer realm="quantum-ip"'
  if (isQipError(error, 'QIP_HTTP_CREDENTIAL_INVALID')) {
    headers['www-authenticate'] = 'Bearer realm="quantum-ip", error="invalid_token"'
  }
  if (error instanceof HttpError && error.code === 'QIP_HTTP_OVERLOADED') {
    headers['retry-after'] = String((error.details as HttpErrorDetails['QIP_HTTP_OVERLOADED']).retryAfterS)
  }
  return headers
}
