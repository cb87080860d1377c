import { hex } from '@quantum-ip/base'
import { type Admitted, type PointAnswer, type Refused, problemAnswer, removedNames } from '@quantum-ip/point'
import { type RelayProblem, relayProblems } from '../gateway/problem.ts'
import type { ForwardContract } from './original-request.ts'

/** The fields of an answer that tell the proxy, and nobody behind it, what was decided. */
export const verdictFields = {
  /** `allow` or `quarantine`: what proxies route by. */
  action: 'quantum-ip-action',
  /** The decision ID. */
  decision: 'quantum-ip-decision',
  /** With `quarantine`: the name of the quarantine upstream, where the policy gives one. */
  quarantine: 'quantum-ip-quarantine',
  /** Status and reason of the verdict. */
  verdict: 'quantum-ip-verdict',
  /** The caller, where it is authenticated. */
  subject: 'quantum-ip-subject',
  /** The caller's build, SHA-256 in hexadecimal, where it is authenticated. */
  build: 'quantum-ip-build',
} as const

/** The field in which Envoy reads what to take off the request. */
export const envoyRemoves = 'x-envoy-auth-headers-to-remove'

/** 200: the request goes on, with the fields that the proxy is to set. */
export function admittedAnswer(outcome: Admitted, contract: ForwardContract): PointAnswer {
  const { action, decision, verdict, decisionId, fields } = outcome
  const told = [
    ...fields,
    verdictFields.action,
    action,
    verdictFields.verdict,
    `${verdict.status} ${verdict.reason}`,
  ]
  if (decisionId !== null) told.push(verdictFields.decision, decisionId)
  if (verdict.identity !== undefined) told.push(verdictFields.subject, verdict.identity)
  if (verdict.build !== undefined) told.push(verdictFields.build, hex(verdict.build.digest))
  if (decision.quarantine?.kind === 'upstream')
    told.push(verdictFields.quarantine, decision.quarantine.upstream)
  return passAnswer(told, fields, contract)
}

/** 200 for a request that passes without a verdict. */
export function exemptAnswer(fields: readonly string[], contract: ForwardContract): PointAnswer {
  return passAnswer([...fields, verdictFields.action, 'allow'], fields, contract)
}

function passAnswer(told: string[], fields: readonly string[], contract: ForwardContract): PointAnswer {
  if (contract === 'envoy') told.push(envoyRemoves, removedNames(fields).join(','))
  told.push('cache-control', 'no-store')
  return { action: 'answer', status: 200, fields: told, body: '' }
}

/**
 * A refusal in the three statuses that every proxy passes on: nginx turns all but 401 and 403 into a 500 of its own.
 *
 * What a gateway answers with 503 is 403 here; it keeps `Retry-After` and its code, by which a caller tells it from a refusal that stays.
 */
export function refusedAnswer({ answer, verdict, decisionId }: Refused): PointAnswer {
  const fields = [...answer.fields, verdictFields.verdict, `${verdict.status} ${verdict.reason}`]
  if (decisionId !== null) fields.push(verdictFields.decision, decisionId)
  return inThree({ ...answer, fields })
}

/** What is refused before a verdict: always 403. */
export function forwardProblem(code: RelayProblem, detail?: string): PointAnswer {
  const { status, title } = relayProblems[code]
  return inThree(problemAnswer({ status, title, code, ...(detail !== undefined && { detail }) }))
}

/** Any refusal as 401 or 403. */
export function inThree(answer: PointAnswer): PointAnswer {
  if (answer.status === 401 || answer.status === 403) return answer
  const body = answer.body.replace(`"status":${answer.status}`, '"status":403')
  return { ...answer, status: 403, body }
}
