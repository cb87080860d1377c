import { type Clock, systemClock } from '@quantum-ip/base'
import {
  type Admitted,
  type ClientCertificate,
  EnforcementPoint,
  type Outcome,
  type PointAnswer,
  type PointRequest,
  type QuarantineLimiters,
  type RequestCoordinates,
  quarantineFullAnswer,
  readCarried,
} from '@quantum-ip/point'
import type { LoadGate } from '../gateway/load-gate.ts'
import { relayProblem } from '../gateway/problem.ts'
import type { GuardedRoute } from '../gateway/route-setup.ts'
import { type RouteTable, isExempt } from '../gateway/route-table.ts'
import type { QuestionOptions, QuestionRoute } from './question-options.ts'

type Route = GuardedRoute<QuestionRoute>

/** What a proxy asks: may this request of somebody else go on? */
export interface Question {
  readonly at: RequestCoordinates
  /** The fields that are the point's, flat, lower-case names. */
  readonly reserved: readonly string[]
  readonly certificate?: ClientCertificate | undefined
  /** Whether a refusal says why to everybody. */
  readonly explains: boolean
  /** SHA-256 of the body, where the proxy sent all of it. Asked only where a token might be bound to it. */
  digest?(route: QuestionRoute): Uint8Array | Promise<Uint8Array | undefined> | undefined
}

/** What is said to a question; how a proxy is told is the adapter's business. */
export type Ruling =
  | { readonly kind: 'decided'; readonly outcome: Outcome; readonly route: Route }
  /** Passes without a verdict, with these fields. */
  | { readonly kind: 'exempt'; readonly fields: readonly string[]; readonly route: Route }
  /** Refused beside the verdict: no route, too much load, a quarantine that is full. In the gateway's terms. */
  | { readonly kind: 'problem'; readonly answer: PointAnswer }

type Settled = Ruling | Promise<Ruling>

/** What the guard works with. */
export interface QuestionGuardParts {
  readonly options: QuestionOptions
  readonly limiters: QuarantineLimiters
  readonly gate: LoadGate
}

/** Answers proxies that ask about a request before they let it through, whatever they ask over. */
export class QuestionGuard {
  readonly #parts: QuestionGuardParts
  readonly #point: EnforcementPoint
  readonly #clock: Clock

  constructor(parts: QuestionGuardParts) {
    this.#parts = parts
    this.#point = new EnforcementPoint(parts.options)
    this.#clock = parts.options.clock ?? systemClock
  }

  /** What becomes of the request. `routes`: those that may count for it. */
  judge(question: Question, routes: RouteTable<Route> | undefined): Settled {
    const route = routes?.find(question.at)
    if (route === undefined) return { kind: 'problem', answer: relayProblem('no_route') }
    route.load.count()
    const cause = this.#parts.gate.refuse(route.priority)
    if (cause === undefined) return this.#judgeOn(question, route)
    this.#parts.options.onShed?.(cause, route.terms.service)
    const ruling: Ruling = { kind: 'problem', answer: relayProblem('overloaded') }
    return this.#parts.gate.pause(cause)?.then(() => ruling) ?? ruling
  }

  #judgeOn(question: Question, route: Route): Settled {
    const { at, certificate, explains } = question
    const carried = readCarried(question.reserved)
    if (route.exempt.length > 0 && isExempt(route.exempt, at)) {
      return { kind: 'exempt', fields: this.#point.exempt(carried, route), route }
    }
    const request: PointRequest = { at, carried, certificate, explains }
    const digest = carried.tokenCount === 1 ? question.digest?.(route.terms) : undefined
    if (digest === undefined) return this.#ask(request, route)
    if (!(digest instanceof Promise)) return this.#ask({ ...request, contentDigest: digest }, route)
    return digest.then((contentDigest) => this.#ask({ ...request, contentDigest }, route))
  }

  #ask(request: PointRequest, route: Route): Settled {
    const outcome = this.#point.judge(request, route)
    return outcome instanceof Promise
      ? outcome.then((settled) => this.#rule(settled, route))
      : this.#rule(outcome, route)
  }

  #rule(outcome: Outcome, route: Route): Ruling {
    const { onShed } = this.#parts.options
    if (outcome.action === 'reject') {
      if (outcome.verdict.reason === 'overloaded') onShed?.('verifier', route.terms.service)
    } else if (outcome.action === 'quarantine' && !this.#admits(outcome, route)) {
      onShed?.('quarantine', route.terms.service)
      return { kind: 'problem', answer: quarantineFullAnswer() }
    }
    return { kind: 'decided', outcome, route }
  }

  // When a request is over is not known here: a rate or share holds, a number at once does not.
  #admits({ decision }: Admitted, route: Route): boolean {
    if (route.terms.quarantine === 'routed') return true
    const to = { service: route.terms.service, load: route.load }
    const limiter = this.#parts.limiters.admit(decision, to, this.#clock.now())
    limiter?.leave()
    return limiter !== undefined
  }
}
