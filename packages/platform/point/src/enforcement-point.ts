import { type Clock, systemClock, systemRandom } from '@quantum-ip/base'
import type { Decision, Facts, PolicyRequest } from '@quantum-ip/policy'
import { decideWith, factsOf } from '@quantum-ip/policy/deciding'
import { type ContinuedTrace, continueTrace, formatTraceparent, verifySpan } from '@quantum-ip/telemetry'
import { canonicalAuthority, metadataNames, proofFieldName, removeTracestateHint } from '@quantum-ip/token'
import type { Verdict, VerifyInput } from '@quantum-ip/verifier'
import type { Carried } from './carried.ts'
import { isAttested } from './deferred-checks.ts'
import type { Outcome } from './outcome.ts'
import type { PointOptions } from './point-options.ts'
import type { PointRequest } from './point-request.ts'
import type { PointRoute } from './point-route.ts'
import { refusalAnswer } from './refusal.ts'
import { exemptStatus, statusValue } from './status-value.ts'

// One request on its way through the point.
interface Case {
  readonly request: PointRequest
  readonly route: PointRoute
  readonly trace: ContinuedTrace | undefined
  readonly beganMs: number
}

/** A verdict, and what the active policy says to it. */
export interface Examined {
  readonly verdict: Verdict
  readonly decision: Decision
}

/**
 * Verify, decide, record: what every enforcement point does with a request, whatever carries it.
 *
 * The verdict is about the request as it arrived, before any rewriting. The token, its head and the hint go no further unless the
 * route forwards them, and `Quantum-IP-Status` always says what was found here: a point drops every inbound spelling of it.
 * How a request is read, sent on, answered, quarantined or shed is not its business.
 */
export class EnforcementPoint {
  readonly #options: PointOptions
  readonly #clock: Clock

  constructor(options: PointOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * What becomes of a request. At once where everything is held; only the verifier's look-ups, and engines beside CEL, make it a promise.
   * If it throws or rejects, the request goes nowhere: that is the caller's to see to.
   */
  judge(request: PointRequest, route: PointRoute): Outcome | Promise<Outcome> {
    const { spans, verifier } = this.#options
    const asked: Case = {
      request,
      route,
      trace: spans && continueTrace(request.carried.traceparent, { random: systemRandom }),
      beganMs: this.#clock.now(),
    }
    const verdict = verifier.verify(inputOf(request, route, this.#options.proofAuthorities))
    if (!(verdict instanceof Promise)) return this.#conclude(asked, verdict)
    return verdict.then((settled) => this.#conclude(asked, settled))
  }

  /** Verdict and decision without a record, a metric or an effect: for probes. A one-time token is used up by it all the same. */
  async examine(request: PointRequest, route: PointRoute): Promise<Examined> {
    const { verifier, engines } = this.#options
    const verdict = await verifier.verify(inputOf(request, route, this.#options.proofAuthorities))
    const facts = this.#factsOf(request, route, verdict)
    return { verdict, decision: await decideWith(route.policy, facts, engines) }
  }

  /** The fields of a request that passes without a verdict, because its route says so. */
  exempt(carried: Carried, route: PointRoute): string[] {
    return fieldsOf(exemptStatus, carried, route)
  }

  #conclude(asked: Case, verdict: Verdict): Outcome | Promise<Outcome> {
    const { policy, candidate } = asked.route
    const { engines } = this.#options
    const facts = this.#factsOf(asked.request, asked.route, verdict)
    const active = decideWith(policy, facts, engines)
    const other = candidate && decideWith(candidate, facts, engines)
    if (!(active instanceof Promise) && !(other instanceof Promise)) {
      return this.#settle(asked, verdict, { facts, active, candidate: other })
    }
    // Only an engine beside CEL is waited for.
    return Promise.all([active, other]).then(([active, candidate]) => {
      return this.#settle(asked, verdict, { facts, active, candidate })
    })
  }

  #settle(
    asked: Case,
    verdict: Verdict,
    { facts, active, candidate }: { facts: Facts; active: Decision; candidate: Decision | undefined },
  ): Outcome {
    const options = this.#options
    const { route } = asked
    // A candidate speaks for the share of callers that it is given, in place of the active policy, and for nobody else.
    const decided = candidate?.enforced === true ? candidate : active
    options.policyObserver?.decided(decided, facts)
    const decision = isPutOff(route, verdict, decided) ? { ...decided, deferred: true } : decided
    const traceId = asked.trace?.context.traceId ?? traceIdOf(asked.request.carried.traceparent)
    const decisionId = options.decisions?.record({ verdict, decision, facts, traceId }) ?? null
    options.watch?.(active, candidate, { facts, decisionId })
    const trace = this.#traceOf(asked, verdict, decision, decisionId)
    if (decision.deferred) options.deferred?.({ verdict, id: decisionId, priority: route.priority })
    return outcomeOf(asked, verdict, { decision, decisionId, trace })
  }

  #factsOf({ at, certificate }: PointRequest, route: PointRoute, verdict: Verdict): Facts {
    const request: PolicyRequest = {
      method: at.method,
      host: at.host,
      path: at.path,
      route: route.name,
      mtls:
        certificate?.authorized === true ? (certificate.serviceId ?? certificate.commonName ?? null) : null,
      jwt: null,
    }
    return factsOf({ verdict, request, environment: route.environment, nowMs: this.#clock.now() })
  }

  // Whether a trace that begins here is sampled may hang on the verdict: nothing has gone to the upstream yet.
  // oxlint-disable-next-line max-params -- on the hot path an options object costs more than it says
  #traceOf(
    { trace: begun, route, beganMs: startMs }: Case,
    verdict: Verdict,
    decision: Decision,
    decisionId: string | null,
  ): ContinuedTrace | undefined {
    const { spans, sampler } = this.#options
    if (begun === undefined) return undefined
    const isPlain = verdict.status === 'verified' && decision.wouldBe === 'allow'
    const trace = sampler?.decide(begun, isPlain) ?? begun
    if (trace.context.isSampled) {
      const endMs = startMs + verdict.timings.totalMs
      const { service } = route.terms
      spans?.export(verifySpan({ trace, startMs, endMs, verdict, service, decision, decisionId }))
    }
    return trace
  }
}

function inputOf(
  request: PointRequest,
  route: PointRoute,
  proofAuthorities: readonly string[] | undefined,
): VerifyInput {
  const { at, carried } = request
  const { service, accept, deep } = route.terms
  return {
    token: carried.token,
    tokenCount: carried.tokenCount,
    staple: carried.staple,
    tracestate: carried.tracestate,
    audience: service,
    clientCertificateThumbprint: request.certificate?.thumbprint,
    proofKeyThumbprint: request.proofKeyThumbprint,
    proof: carried.proof,
    proofCount: carried.proofCount,
    proofAuthorities,
    request: {
      method: at.method,
      authority: canonicalAuthority(at.authority, at.scheme),
      target: at.target,
      scheme: at.scheme,
      contentDigest: request.contentDigest,
    },
    requestId: request.requestId,
    proxy: request.proxy,
    acceptDomainAudience: accept?.domainAudience,
    acceptStandalone: accept?.standalone,
    acceptJwt: accept?.jwt,
    acceptReference: accept?.reference,
    priority: route.priority,
    deep,
  }
}

// Where deep checks are deferred, one follows for everything that passes without; where they are not, the policy may ask for it.
function isPutOff(route: PointRoute, verdict: Verdict, decision: Decision): boolean {
  if (route.terms.deep !== 'deferred' || verdict.deep || !isAttested(verdict)) return false
  return decision.action !== 'reject' && !decision.deferred
}

function outcomeOf(
  { request, route }: Case,
  verdict: Verdict,
  decided: {
    readonly decision: Decision
    readonly decisionId: string | null
    readonly trace: ContinuedTrace | undefined
  },
): Outcome {
  const { decision, decisionId, trace } = decided
  const { action } = decision
  const { carried } = request
  if (action === 'reject') {
    const explains = verdict.authenticated || request.explains === true
    const stapled = carried.staple !== undefined
    const answer = refusalAnswer({ verdict, decision, id: decisionId, explains, stapled })
    return { action, verdict, decision, decisionId, answer }
  }
  const fields = fieldsOf(statusValue(verdict, decision, decisionId), carried, route, trace)
  return { action, verdict, decision, decisionId, fields }
}

// oxlint-disable-next-line max-params -- on the hot path an options object costs more than it says
function fieldsOf(status: string, carried: Carried, route: PointRoute, trace?: ContinuedTrace): string[] {
  const fields = [metadataNames.status, status]
  const forwards = route.terms.forwardToken === true
  if (forwards && carried.token !== undefined) {
    fields.push(metadataNames.token, carried.token)
    if (carried.staple !== undefined) fields.push(metadataNames.head, carried.staple)
    if (carried.proof !== undefined) fields.push(proofFieldName, carried.proof)
  }
  const { tracestate, traceparent } = carried
  if (tracestate !== undefined) {
    // The hint belongs to the token, and goes where it goes.
    const rest = forwards ? tracestate : removeTracestateHint(tracestate)
    if (rest !== '') fields.push('tracestate', rest)
  }
  if (trace !== undefined) fields.push('traceparent', formatTraceparent(trace.context))
  else if (traceparent !== undefined) fields.push('traceparent', traceparent)
  return fields
}

const traceForm = /^[0-9a-f]{2}-([0-9a-f]{32})-/

function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent === undefined ? undefined : traceForm.exec(traceparent)?.[1]
}
