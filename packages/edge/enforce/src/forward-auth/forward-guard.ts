import { createHash } from 'node:crypto'
import { type PointAnswer, problemAnswer } from '@quantum-ip/point'
import type { ForwardedCertificates } from '../gateway/forwarded-certificates.ts'
import type { TrustedPeers } from '../gateway/peers.ts'
import type { RequestHead } from '../gateway/request-head.ts'
import type { GuardedRoute } from '../gateway/route-setup.ts'
import type { RouteTable } from '../gateway/route-table.ts'
import type { QuestionGuard, Ruling } from '../question/question-guard.ts'
import { peerUnknown } from '../question/question-options.ts'
import { admittedAnswer, exemptAnswer, forwardProblem, inThree, refusedAnswer } from './forward-answer.ts'
import type { ForwardRoute } from './forward-auth-options.ts'
import { type ForwardContract, readOriginal } from './original-request.ts'

/** What the guard of forward authentication works with. */
export interface ForwardGuardParts {
  readonly guard: QuestionGuard
  readonly routes: RouteTable<GuardedRoute<ForwardRoute>>
  readonly peers: TrustedPeers
  readonly certificates: ForwardedCertificates
  readonly exactPaths: boolean
}

/** Reads questions that come as HTTP requests, and answers them as such. */
export class ForwardGuard {
  readonly #parts: ForwardGuardParts

  constructor(parts: ForwardGuardParts) {
    this.#parts = parts
  }

  /** The answer to a question. */
  judge(head: RequestHead): PointAnswer | Promise<PointAnswer> {
    const { guard, routes, peers, certificates, exactPaths } = this.#parts
    if (!peers.includes(head.peer)) return problemAnswer(peerUnknown('forwardAuth.peers'))
    const original = readOriginal(head, exactPaths)
    if ('refused' in original) return forwardProblem(original.refused, original.detail)
    const ruling = guard.judge(
      {
        at: original,
        reserved: head.reserved,
        // That of the connection is the proxy's own, and binds nobody's token.
        certificate: certificates.read(head),
        explains: head.listener.detail === 'internal',
        digest: ({ bodyBytesHeld = 0 }: ForwardRoute) =>
          bodyBytesHeld === 0 || !head.hasBody ? undefined : bodyDigest(head, bodyBytesHeld),
      },
      routes,
    )
    if (!(ruling instanceof Promise)) return answerOf(ruling, original.contract)
    return ruling.then((settled) => answerOf(settled, original.contract))
  }
}

function answerOf(ruling: Ruling, contract: ForwardContract): PointAnswer {
  if (ruling.kind === 'problem') return inThree(ruling.answer)
  if (ruling.kind === 'exempt') return exemptAnswer(ruling.fields, contract)
  const { outcome } = ruling
  return outcome.action === 'reject' ? refusedAnswer(outcome) : admittedAnswer(outcome, contract)
}

// Envoy sends the beginning of what is too long, and says so: a digest of that is none.
async function bodyDigest(head: RequestHead, sizeMax: number): Promise<Uint8Array | undefined> {
  const isPart = head.raw.some(
    (text, i) =>
      i % 2 === 0 && text.toLowerCase() === 'x-envoy-auth-partial-body' && head.raw[i + 1] !== 'false',
  )
  const body = isPart ? undefined : await head.body(sizeMax)
  return body && createHash('sha256').update(body).digest()
}
