import { createHash } from 'node:crypto'
import { type Clock, systemClock } from '@quantum-ip/base'
import {
  type Admitted,
  EnforcementPoint,
  type Outcome,
  type PointAnswer,
  type PointRequest,
  problemAnswer,
  readCarried,
} from '@quantum-ip/point'
import type { LoadGate } from '../gateway/load-gate.ts'
import type { TrustedPeers } from '../gateway/peers.ts'
import type { RequestHead } from '../gateway/request-head.ts'
import type { GuardedRoute, QuarantineLimiters } from '../gateway/route-setup.ts'
import { type RouteTable, isExempt } from '../gateway/route-table.ts'
import { admittedAnswer, exemptAnswer, forwardProblem, inThree, refusedAnswer } from './forward-answer.ts'
import type { ForwardAuthOptions, ForwardRoute } from './forward-auth-options.ts'
import { type OriginalRequest, readOriginal } from './original-request.ts'

/** What the guard of forward authentication works with. */
export interface ForwardGuardParts {
  readonly options: ForwardAuthOptions
  readonly routes: RouteTable<GuardedRoute<ForwardRoute>>
  readonly peers: TrustedPeers
  readonly limiters: QuarantineLimiters
  readonly gate: LoadGate
}

type Settled = PointAnswer | Promise<PointAnswer>

/** Answers proxies that ask about a request before they let it through. */
export class ForwardGuard {
  readonly #parts: ForwardGuardParts
  readonly #point: EnforcementPoint
  readonly #clock: Clock
  readonly #exactPaths: boolean

  constructor(parts: ForwardGuardParts) {
    this.#parts = parts
    this.#point = new EnforcementPoint(parts.options)
    this.#clock = parts.options.clock ?? systemClock
    this.#exactPaths = parts.options.ambiguousPaths === 'exact'
  }

  /** The answer to a question. */
  judge(head: RequestHead): Settled {
    if (!this.#parts.peers.includes(head.peer)) return problemAnswer(peerUnknown)
    const original = readOriginal(head, this.#exactPaths)
    if ('refused' in original) return forwardProblem(original.refused, original.detail)
    const route = this.#parts.routes.find(original)
    if (route === undefined) return forwardProblem('no_route')
    route.load.count()
    const cause = this.#parts.gate.refuse(route.priority)
    if (cause === undefined) return this.#judgeOn(head, original, route)
    this.#parts.options.onShed?.(cause, route.terms.service)
    const answer = forwardProblem('overloaded')
    return this.#parts.gate.pause(cause)?.then(() => answer) ?? answer
  }

  #judgeOn(head: RequestHead, original: OriginalRequest, route: GuardedRoute<ForwardRoute>): Settled {
    const carried = readCarried(head.reserved)
    if (route.exempt.length > 0 && isExempt(route.exempt, original)) {
      return exemptAnswer(this.#point.exempt(carried, route), original.contract)
    }
    const request: PointRequest = { at: original, carried, explains: head.listener.detail === 'internal' }
    const held = route.terms.bodyBytesHeld ?? 0
    if (held === 0 || !head.hasBody || carried.tokenCount !== 1) return this.#ask(request, original, route)
    return bodyDigest(head, held).then((contentDigest) =>
      this.#ask({ ...request, contentDigest }, original, route),
    )
  }

  #ask(request: PointRequest, original: OriginalRequest, route: GuardedRoute<ForwardRoute>): Settled {
    const outcome = this.#point.judge(request, route)
    if (!(outcome instanceof Promise)) return this.#answer(outcome, original, route)
    return outcome.then((settled) => this.#answer(settled, original, route))
  }

  #answer(outcome: Outcome, { contract }: OriginalRequest, route: GuardedRoute<ForwardRoute>): PointAnswer {
    if (outcome.action === 'reject') {
      if (outcome.verdict.reason === 'overloaded')
        this.#parts.options.onShed?.('verifier', route.terms.service)
      return refusedAnswer(outcome)
    }
    if (outcome.action === 'quarantine' && !this.#admits(outcome, route)) {
      this.#parts.options.onShed?.('quarantine', route.terms.service)
      return inThree(problemAnswer(quarantineFull))
    }
    return admittedAnswer(outcome, contract)
  }

  // When a request is over is not known here: a rate or share holds, a number at once does not.
  #admits({ decision }: Admitted, route: GuardedRoute<ForwardRoute>): boolean {
    if (route.terms.quarantine === 'routed') return true
    if (decision.quarantine === null || decision.quarantine.kind === 'upstream') return false
    const limiter = this.#parts.limiters.for(decision, route)
    if (!limiter.admit(this.#clock.now())) return false
    limiter.leave()
    return true
  }
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

const peerUnknown = {
  status: 403,
  title: 'questions are taken from known proxies only',
  code: 'peer_unknown',
  next: 'add the address of the proxy to `forwardAuth.peers`',
}

const quarantineFull = {
  status: 503,
  title: 'quarantined calls get a small share of this service, and it is used up',
  code: 'quarantine_full',
}
