import { problemAnswer, targetProblem } from '@quantum-ip/point'
import type { Answer } from './decision.ts'

/**
 * What the relay itself refuses or fails with: status and title of each, in one place.
 *
 * Verdicts and policy decisions are not here; they are the guard's.
 */
export const relayProblems = {
  request_malformed: { status: 400, title: 'the request is not well-formed HTTP' },
  host_malformed: { status: 400, title: 'the request has no host, two of them, or a malformed one' },
  ...targetProblem,
  framing_ambiguous: { status: 400, title: 'the length of the request body has more than one reading' },
  method_override: { status: 400, title: 'a method is stated twice' },
  no_route: { status: 404, title: 'no route matches' },
  method_refused: { status: 405, title: 'the method is not forwarded' },
  request_timeout: { status: 408, title: 'the request did not arrive in time' },
  body_too_large: { status: 413, title: 'the request body is too large' },
  expectation_failed: { status: 417, title: 'the expectation is not known' },
  fields_too_large: { status: 431, title: 'the request head is too large' },
  defect: { status: 500, title: 'the gateway failed' },
  coding_unknown: { status: 501, title: 'the transfer coding is not known' },
  upstream_unreachable: { status: 502, title: 'the upstream cannot be reached' },
  upstream_failed: { status: 502, title: 'the upstream did not answer properly' },
  overloaded: { status: 503, title: 'too many requests at once' },
  upstream_saturated: { status: 503, title: 'the upstream has too many requests already' },
  stopping: { status: 503, title: 'the gateway is stopping' },
  upstream_connect_timeout: { status: 504, title: 'the upstream did not accept a connection in time' },
  upstream_timeout: { status: 504, title: 'the upstream did not answer in time' },
  loop: { status: 508, title: 'the request came through here too often' },
} as const satisfies Record<string, { status: number; title: string }>

/** The name of a {@link relayProblems} row. */
export type RelayProblem = keyof typeof relayProblems

/**
 * The RFC 9457 answer of a relay problem. `detail` must come from a closed set: it is shown to strangers.
 *
 * @example
 * relayProblem('no_route').status // => 404
 */
export function relayProblem(code: RelayProblem, detail?: string): Answer {
  const { status, title } = relayProblems[code]
  return problemAnswer({ status, title, code, ...(detail !== undefined && { detail }) })
}
