/** The media type of RFC 9457, section 3. */
export const problemType = 'application/problem+json'

/** An RFC 9457 problem: what every one has, and what this one has besides. */
export interface Problem {
  readonly status: number
  readonly title: string
  /** For programs; stays. */
  readonly code: string
  readonly [member: string]: unknown
}

/** An answer in place of the service. */
export interface PointAnswer {
  readonly action: 'answer'
  readonly status: number
  /** Response fields, flat: name, value, name, value. Without a length, which whoever sends it sets. */
  readonly fields: readonly string[]
  readonly body: string
}

/**
 * A problem as an answer: with `Retry-After` where it is one of the moment (503). Members that are `undefined` are left out.
 *
 * @example
 * problemAnswer({ status: 404, title: 'no route matches', code: 'no_route' }).status // => 404
 */
export function problemAnswer(problem: Problem, fields: readonly string[] = []): PointAnswer {
  const own = ['content-type', problemType, 'cache-control', 'no-store', ...fields]
  if (problem.status === 503) own.push('retry-after', retryAfterS())
  const body = JSON.stringify({ type: `urn:quantum-ip:problem:${problem.code}`, ...problem })
  return { action: 'answer', status: problem.status, fields: own, body }
}

/** Seconds to wait, spread over 1 to 5, so that those who were shed together don't return together. */
function retryAfterS(): string {
  // Not secret: any spread will do.
  return String(1 + Math.floor(Math.random() * 5))
}
