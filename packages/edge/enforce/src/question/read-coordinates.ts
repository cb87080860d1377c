import { type RequestCoordinates, type RequestTarget, readAuthority, readTarget } from '@quantum-ip/point'
import type { RelayProblem } from '../gateway/problem.ts'

/** The request that is asked about, as the proxy tells it. */
export interface ToldRequest {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly scheme: string
}

/** The original request, with the query that `path` lacks. */
export interface ToldCoordinates extends RequestCoordinates {
  readonly query: string
}

/** Why a question can't be answered: the problem, and a detail out of a closed set. */
export interface QuestionRefusal {
  readonly refused: RelayProblem
  readonly detail?: string
}

const methodForm = /^[A-Z][A-Z0-9_-]{0,31}$/

/** Reads what a proxy tells of a request. What has two readings is refused as at the gateway. */
export function readCoordinates(told: ToldRequest, exactPaths: boolean): ToldCoordinates | QuestionRefusal {
  const { method, target, host: authority, scheme } = told
  if (!methodForm.test(method) || method === 'CONNECT' || method === 'TRACE')
    return { refused: 'method_refused' }
  const read: RequestTarget | QuestionRefusal = readTarget(target, exactPaths)
  if ('refused' in read) return read
  const parts = readAuthority(authority)
  // A target in absolute form names its host: of two that differ, an upstream may take the other one.
  if (parts === undefined || (read.authority !== undefined && read.authority !== authority))
    return { refused: 'host_malformed' }
  if (scheme !== 'http' && scheme !== 'https') return { refused: 'request_malformed', detail: 'no scheme' }
  const { path, query } = read
  return { method, authority, scheme, target, host: parts.host, path, query }
}
