import { isQipError, type Json, parseJson, parseUtf8 } from '@quantum-ip/base'
import { ClientError } from '../client-errors.ts'
import type { Failure } from './failure.ts'
import { redact } from './redact.ts'

/** An answer that is no success. */
export interface RefusedAnswer {
  readonly status: number
  readonly mediaType: string
  readonly body: Uint8Array
  readonly retryAfter: string | undefined
}

/** Bytes of a problem document that are read. */
export const problemBytesMax = 65_536

/** Code where the answer did not come from an authority's own error handling: from a proxy in between, say. */
const foreignCode = 'none'

const retryAfterMaxMs = 5_000

/** Makes an error of an answer: RFC 9457 where it follows that, else by its status. */
export function refusedAnswer(answer: RefusedAnswer, operation: string): Failure {
  const { status } = answer
  const { code, reason, next } = readProblem(answer)
  const details = { operation, status, code, reason, ...(next !== undefined && { next }) }
  // 408 and 429 are about the moment and not about the request, like 5xx.
  const isPassing = status >= 500 || status === 408 || status === 429
  if (!isPassing) {
    const error = new ClientError('QIP_CLIENT_AUTHORITY_REFUSED', details)
    return { error, isUnsent: false, isPassing: false }
  }
  const error = new ClientError('QIP_CLIENT_AUTHORITY_UNAVAILABLE', details)
  const seconds = /^\d{1,5}$/.test(answer.retryAfter ?? '') ? Number(answer.retryAfter) : undefined
  if (seconds === undefined) return { error, isUnsent: false, isPassing: true }
  return {
    error,
    isUnsent: false,
    isPassing: true,
    retryAfterMs: Math.min(seconds * 1_000, retryAfterMaxMs),
  }
}

interface ReadProblem {
  readonly code: string
  readonly reason: string
  readonly next?: string
}

function readProblem({ status, mediaType, body }: RefusedAnswer): ReadProblem {
  const plain = { code: foreignCode, reason: `status ${status} without an explanation` }
  if (mediaType !== 'application/problem+json') return plain
  const problem = parseOrNull(body)
  if (problem === null || typeof problem !== 'object' || Array.isArray(problem)) return plain
  const { code, detail, title, next } = problem
  const reason = [detail, title].find((text): text is string => typeof text === 'string' && text !== '')
  return {
    code: typeof code === 'string' && /^QIP_[A-Z0-9_]{1,80}$/.test(code) ? code : foreignCode,
    reason: reason === undefined ? plain.reason : redact(reason),
    ...(typeof next === 'string' && next !== '' && { next: redact(next) }),
  }
}

function parseOrNull(body: Uint8Array): Json {
  try {
    return parseJson(parseUtf8(body))
  } catch (error) {
    if (isQipError(error)) return null
    throw error
  }
}

/**
 * Whether the authority itself said that there is no such thing, by a code `…_NOT_FOUND`. Any proxy on the way can answer 404, and so
 * does an authority that does not know the route at all.
 */
export function isNotFound(error: unknown): boolean {
  if (!(error instanceof ClientError) || !isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')) return false
  const { status, code } = error.details as { status: number; code: string }
  return status === 404 && code.endsWith('_NOT_FOUND')
}
