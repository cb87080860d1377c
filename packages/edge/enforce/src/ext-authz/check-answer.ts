import type { Buffer } from 'node:buffer'
import { hex } from '@quantum-ip/base'
import { type Outcome, type PointAnswer, removedNames } from '@quantum-ip/point'
import type { Ruling } from '../question/question-guard.ts'
import type { CheckQuestion } from './check-question.ts'
import { encodeDenied, encodeOk } from './check-response.ts'

/** What Envoy is told about a question that was ruled on. `taken`: fields besides the reserved ones that go no further. */
export function checkAnswer(ruling: Ruling, { spoofed }: CheckQuestion, taken: readonly string[]): Buffer {
  if (ruling.kind === 'problem') return problemAnswered(ruling.answer)
  const { route } = ruling
  const place = ['service', route.terms.service, 'route', route.name]
  if (ruling.kind === 'exempt')
    return okAnswer(ruling.fields, [...exemptMetadata, ...place], [...spoofed, ...taken])
  const { outcome } = ruling
  const metadata = [...metadataOf(outcome), ...place]
  return outcome.action === 'reject'
    ? encodeDenied({ ...outcome.answer, metadata })
    : okAnswer(outcome.fields, metadata, [...spoofed, ...taken])
}

/** A refusal beside the verdict. */
export function problemAnswered(answer: PointAnswer): Buffer {
  return encodeDenied({ ...answer, metadata: ['action', 'reject'] })
}

function okAnswer(fields: readonly string[], metadata: readonly string[], others: readonly string[]): Buffer {
  const removed = removedNames(fields)
  return encodeOk({ fields, metadata, removed: others.length === 0 ? removed : [...removed, ...others] })
}

const exemptMetadata = ['status', 'missing', 'reason', 'exempt', 'action', 'allow']

/** What routes, logs and other filters of Envoy may read under `envoy.filters.http.ext_authz`. All of it is text; what there is none of is left out. */
function metadataOf({ action, verdict, decision, decisionId }: Outcome): string[] {
  const told = ['status', verdict.status, 'reason', verdict.reason, 'action', action]
  if (decisionId !== null) told.push('decision', decisionId)
  if (verdict.identity !== undefined) told.push('subject', verdict.identity)
  if (verdict.build !== undefined) told.push('build', hex(verdict.build.digest))
  if (decision.quarantine?.kind === 'upstream') told.push('quarantine', decision.quarantine.upstream)
  return told
}
