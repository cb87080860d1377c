import type { Decision } from '@quantum-ip/policy'
import { formatChallenge } from '@quantum-ip/token'
import { type Reason, type Verdict, verdictTable } from '@quantum-ip/verifier'
import { type PointAnswer, problemAnswer } from './problem.ts'

/** What a refusal is made of. */
export interface RefusalInput {
  readonly verdict: Verdict
  readonly decision: Decision
  /** The decision ID: with it an operator finds the record at this point. */
  readonly id: string | null
  /** Whether it says why: to callers that proved who they are, and on internal listeners. */
  readonly explains: boolean
  /** Whether the request had a staple. */
  readonly stapled: boolean
}

/**
 * The answer to a request that is not let through.
 *
 * 401 for a token that is missing or does not hold, with the challenge; 403 where the policy refuses a
 * caller that holds; 503 where nothing could be found out, which is not the caller's doing.
 */
export function refusalAnswer(input: RefusalInput): PointAnswer {
  const { verdict, stapled } = input
  // The one thing that a caller itself can bring when nobody can be asked for it.
  if (verdict.reason === 'head_unavailable' && !stapled) return unauthorized(input, 'required')
  switch (verdict.status) {
    case 'missing':
    case 'invalid':
      return unauthorized(input)
    case 'verified':
      return problemAnswer({
        status: 403,
        title: 'the policy refuses this call',
        ...named(input, 'policy_refused'),
      })
    case 'unverifiable':
      return problemAnswer(
        { status: 503, title: 'the caller cannot be verified now', ...named(input, 'unverifiable') },
        tooOld(input),
      )
  }
}

function unauthorized(input: RefusalInput, head?: 'required'): PointAnswer {
  const { verdict, explains } = input
  const error = explains ? verdict.reason : 'token_refused'
  const challenge = formatChallenge(head === undefined ? { error } : { error, head })
  const problem = {
    status: 401,
    title: 'the call needs a token that holds',
    ...named(input, 'token_refused'),
  }
  return problemAnswer(problem, ['www-authenticate', challenge])
}

// Other credentials may be taken (RFC 9110, section 11.6.1): a token that was drawn after this point began to remember.
function tooOld({ verdict: { reason }, explains }: RefusalInput): readonly string[] {
  if (reason !== 'replay_unavailable' || !explains) return []
  return ['www-authenticate', formatChallenge({ error: reason })]
}

interface NamedParts {
  readonly code: string
  readonly decision?: string
  readonly reason?: Reason
  readonly detail?: string
  readonly policy?: string
  readonly rule?: string
  readonly decidedBy?: string
  readonly next?: string
}

function named({ verdict, decision, id, explains }: RefusalInput, code: string): NamedParts {
  const found = id === null ? {} : { decision: id }
  if (!explains) return { code, ...found, next: askOperator(id) }
  const { policy, rule } = decision
  return {
    code,
    ...found,
    reason: verdict.reason,
    detail: verdictTable[verdict.reason].when,
    policy: `${policy.name} version ${policy.version}`,
    ...(rule !== null && { rule }),
    decidedBy: decision.reason,
    next: nextFor(verdict.reason, id),
  }
}

const advice: { readonly [R in Reason]?: string } = {
  token_absent: 'draw a token for this service and send it as `Quantum-IP`',
  token_stripped: 'find the proxy that drops `Quantum-IP` on the way: `qip doctor` probes the path',
  token_truncated:
    'find the proxy that cuts long fields, or use reference tokens: `qip doctor` probes the path',
  token_malformed: 'send exactly one token, as it was issued: `qip token inspect` reads it',
  key_unknown: 'draw a new token; if that is refused too, caller and service are of different trust domains',
  signature_invalid: 'draw a new token',
  head_unknown: 'draw a new token',
  head_unavailable: 'send the head with the token, as `Quantum-IP-Head`',
  token_expired: 'draw a new token, and compare the clocks',
  token_not_yet_valid: 'compare the clocks of caller, authority and enforcement point',
  audience_mismatch: 'draw a token for this service',
  binding_mismatch: 'send the token over the connection, and with the request, that it was drawn for',
  token_replayed: 'draw a new one-time token for each request',
}

function nextFor(reason: Reason, id: string | null): string {
  return advice[reason] ?? askOperator(id)
}

function askOperator(id: string | null): string {
  return id === null
    ? 'ask the operator of this enforcement point'
    : `ask the operator of this enforcement point: \`qip explain ${id}\``
}
