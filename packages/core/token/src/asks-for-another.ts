import { readChallenge } from './challenge.ts'

const another: ReadonlySet<string> = new Set([
  'token_refused',
  'token_expired',
  'token_revoked',
  'key_revoked',
  'key_unknown',
  'head_unknown',
  'signature_invalid',
  'replay_unavailable',
])

/**
 * Whether an answer says that another token may be taken where this one was not: 401 for one that does not hold (any more), 503 for a
 * one-time token that is older than its receiver's memory. Never for a token that was seen before: then the request may have been served.
 *
 * @param status of the answer.
 * @param challenge its `WWW-Authenticate`.
 */
export function asksForAnother(status: number, challenge: string): boolean {
  if (status !== 401 && status !== 503) return false
  const found = readChallenge(challenge)
  return found !== undefined && found.head === undefined && another.has(found.error)
}
