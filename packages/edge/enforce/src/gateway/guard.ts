import { createHash } from 'node:crypto'
import { type Clock, systemClock, systemRandom } from '@quantum-ip/base'
import {
  type Decision as PolicyDecision,
  type Facts,
  type PolicyRequest,
  decideWith,
  factsOf,
} from '@quantum-ip/policy'
import {
  type ContinuedTrace,
  type ShedCause,
  continueTrace,
  formatTraceparent,
  verifySpan,
} from '@quantum-ip/telemetry'
import { canonicalAuthority, metadataNames, removeTracestateHint } from '@quantum-ip/token'
import type { Verdict, VerifyInput } from '@quantum-ip/verifier'
import { type Carried, readCarried } from './carried.ts'
import type { Answer, Decision, Pass, StreamTerms } from './decision.ts'
import { isAttested } from './deferred-checks.ts'
import type { GatewayOptions } from './gateway-options.ts'
import type { LoadGate } from './load-gate.ts'
import { problemAnswer, relayProblem } from './problem.ts'
import { ProbeDesk, type ProbeTicket } from './probe.ts'
import { refusalAnswer } from './refusal.ts'
import type { ClientCertificate, RequestHead } from './request-head.ts'
import { type QuarantineLimiters, type ReadyRoute } from './route-setup.ts'
import { type RouteTable, isExempt } from './route-table.ts'
import { exemptStatus, statusValue } from './status-value.ts'
import type { Upstream } from './upstream.ts'

/** What the guard works with. */
export interface GuardParts {
  readonly options: GatewayOptions
  readonly routes: RouteTable<ReadyRoute>
  readonly quarantineUpstreams: ReadonlyMap<string, Upstream>
  readonly limiters: QuarantineLimiters
  readonly gate: LoadGate
}

// One request on its way through the guard.
interface Case {
  readonly head: RequestHead
  readonly route: ReadyRoute
  readonly carried: Carried
  readonly input: VerifyInput
  readonly certificate: ClientCertificate | undefined
  readonly trace: ContinuedTrace | undefined
  readonly beganMs: number
}

// What was decided about it.
interface Decided {
  readonly decision: PolicyDecision
  readonly id: string | null
  readonly trace: ContinuedTrace | undefined
}

/**
 * Verify, decide, act: the gateway's guard.
 *
 * The verdict is about the request as it arrived, before any rewriting. The token, its head and the hint
 * go no further unless the route forwards them, and `Quantum-IP-Status` always says what was found here:
 * every inbound spelling of it was dropped before.
 */
export class GatewayGuard {
  readonly #parts: GuardParts
  readonly #clock: Clock
  readonly #toleranceMs: number
  readonly #probes: ProbeDesk | undefined

  constructor(parts: GuardParts) {
    const { verifier, probes, clock = systemClock, clockToleranceS = 30 } = parts.options
    this.#parts = parts
    this.#clock = clock
    this.#toleranceMs = clockToleranceS * 1_000
    this.#probes = probes && new ProbeDesk({ verifier, options: probes, clock })
  }

  /** Decides about a request. */
  judge(head: RequestHead): Decision | Promise<Decision> {
    const route = this.#parts.routes.find(head)
    if (route === undefined) return relayProblem('no_route')
    route.load.count()
    const shed = this.#parts.gate.refuse(route.priority)
    if (shed !== undefined) return this.#shed(shed, route)
    const ticket = this.#probes?.read(head.query)
    return ticket === undefined ? this.#judgeOn(head, route) : this.#judgeProbe(head, route, ticket)
  }

  #judgeOn(head: RequestHead, route: ReadyRoute): Decision | Promise<Decision> {
    const carried = readCarried(head.reserved)
    if (route.exempt.length > 0 && isExempt(route.exempt, head)) {
      return { action: 'pass', upstream: route.upstream, fields: this.#fields(exemptStatus, carried, route) }
    }
    const held = route.options.bodyBytesHeld ?? 0
    if (held > 0 && head.hasBody && carried.tokenCount === 1) return this.#judgeWithBody(head, route, carried)
    return this.#verify(this.#caseOf(head, route, carried))
  }

  async #judgeProbe(head: RequestHead, route: ReadyRoute, ticket: ProbeTicket): Promise<Decision> {
    const probes = this.#probes
    if (probes === undefined || !(await probes.holds(ticket))) return this.#judgeOn(head, route)
    const carried = readCarried(head.reserved)
    const asked = this.#caseOf(head, route, carried)
    const verdict = await this.#parts.options.verifier.verify(asked.input)
    const decision = await decideWith(
      route.policy,
      this.#factsOf(asked, verdict),
      this.#parts.options.engines,
    )
    const exempt = route.exempt.length > 0 && isExempt(route.exempt, head)
    const { service } = route.options
    const probed = { head, route: { name: route.name, service }, carried, exempt, verdict, decision }
    return probes.answer(probed, ticket.sent)
  }

  // Whatever the mode: a gateway that answers too late protects nobody, and monitors nothing.
  #shed(cause: ShedCause, route: ReadyRoute): Answer | Promise<Answer> {
    this.#parts.options.onShed?.(cause, route.options.service)
    return this.#parts.gate.pause(cause)?.then(() => relayProblem('overloaded')) ?? relayProblem('overloaded')
  }

  async #judgeWithBody(head: RequestHead, route: ReadyRoute, carried: Carried): Promise<Decision> {
    const body = await head.body(route.options.bodyBytesHeld ?? 0)
    const digest = body && createHash('sha256').update(body).digest()
    return this.#verify(this.#caseOf(head, route, carried, digest))
  }

  // oxlint-disable-next-line max-params -- one step of a request that has four parts
  #caseOf(head: RequestHead, route: ReadyRoute, carried: Carried, contentDigest?: Uint8Array): Case {
    const { tls } = head.listener
    const certificate =
      tls !== undefined && (tls.clientCertificate ?? 'off') !== 'off' ? head.certificate() : undefined
    const { spans } = this.#parts.options
    return {
      head,
      route,
      carried,
      input: this.#inputOf({ head, route, carried, certificate, contentDigest }),
      certificate,
      trace: spans && continueTrace(carried.traceparent, { random: systemRandom }),
      beganMs: this.#clock.now(),
    }
  }

  #inputOf(parts: {
    readonly head: RequestHead
    readonly route: ReadyRoute
    readonly carried: Carried
    readonly certificate: ClientCertificate | undefined
    readonly contentDigest: Uint8Array | undefined
  }): VerifyInput {
    const { head, carried, certificate } = parts
    const { service, accept, deep } = parts.route.options
    const { retries } = this.#parts.options
    const proxy = retries && certificate && trustedName(certificate, retries.proxies)
    return {
      token: carried.token,
      tokenCount: carried.tokenCount,
      staple: carried.staple,
      tracestate: carried.tracestate,
      audience: service,
      clientCertificateThumbprint: certificate?.thumbprint,
      request: {
        method: head.method,
        authority: canonicalAuthority(head.authority, head.scheme),
        target: head.target,
        contentDigest: parts.contentDigest,
      },
      requestId: proxy === undefined ? undefined : fieldOf(head.fields, retries?.requestIdField ?? ''),
      proxy,
      acceptDomainAudience: accept?.domainAudience,
      acceptStandalone: accept?.standalone,
      acceptJwt: accept?.jwt,
      acceptReference: accept?.reference,
      priority: parts.route.priority,
      deep,
    }
  }

  #verify(asked: Case): Decision | Promise<Decision> {
    const verdict = this.#parts.options.verifier.verify(asked.input)
    if (!(verdict instanceof Promise)) return this.#conclude(asked, verdict)
    return verdict.then((settled) => this.#conclude(asked, settled))
  }

  #conclude(asked: Case, verdict: Verdict): Decision | Promise<Decision> {
    const { policy, candidate } = asked.route
    const { engines } = this.#parts.options
    const facts = this.#factsOf(asked, verdict)
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
    {
      facts,
      active,
      candidate,
    }: { facts: Facts; active: PolicyDecision; candidate: PolicyDecision | undefined },
  ): Decision {
    const { options } = this.#parts
    const { route } = asked
    // A candidate speaks for the share of callers that it is given, in place of the active policy, and for nobody else.
    const decided = candidate?.enforced === true ? candidate : active
    options.policyObserver?.decided(decided, facts)
    const decision = this.#isPutOff(route, verdict, decided) ? { ...decided, deferred: true } : decided
    const traceId = asked.trace?.context.traceId ?? traceIdOf(asked.carried.traceparent)
    const id = options.decisions?.record({ verdict, decision, facts, traceId }) ?? null
    options.watch?.(active, candidate, { facts, decisionId: id })
    const trace = this.#traceOf(asked, verdict, { decision, id })
    if (decision.deferred) options.deferred?.({ verdict, id, priority: route.priority })
    return this.#act(asked, verdict, { decision, id, trace })
  }

  #factsOf(asked: Case, verdict: Verdict): Facts {
    const { environment } = asked.route
    return factsOf({ verdict, request: requestFacts(asked), environment, nowMs: this.#clock.now() })
  }

  // Where deep checks are deferred, one follows for everything that passes without; where they are not, the policy may ask for it.
  #isPutOff(route: ReadyRoute, verdict: Verdict, decision: PolicyDecision): boolean {
    if (route.options.deep !== 'deferred' || verdict.deep || !isAttested(verdict)) return false
    return decision.action !== 'reject' && !decision.deferred
  }

  // Whether a trace that begins here is sampled may hang on the verdict: nothing has gone to the upstream yet.
  #traceOf(
    { trace: begun, route, beganMs: startMs }: Case,
    verdict: Verdict,
    { decision, id: decisionId }: Pick<Decided, 'decision' | 'id'>,
  ): ContinuedTrace | undefined {
    const { spans, sampler } = this.#parts.options
    if (begun === undefined) return undefined
    const isPlain = verdict.status === 'verified' && decision.wouldBe === 'allow'
    const trace = sampler?.decide(begun, isPlain) ?? begun
    if (trace.context.isSampled) {
      const endMs = startMs + verdict.timings.totalMs
      const { service } = route.options
      spans?.export(verifySpan({ trace, startMs, endMs, verdict, service, decision, decisionId }))
    }
    return trace
  }

  #act(asked: Case, verdict: Verdict, { decision, id, trace }: Decided): Decision {
    const { route, carried } = asked
    if (decision.action === 'reject') {
      if (verdict.reason === 'overloaded') this.#parts.options.onShed?.('verifier', route.options.service)
      const explains = verdict.authenticated || asked.head.listener.detail === 'internal'
      return refusalAnswer({ verdict, decision, id, explains, stapled: carried.staple !== undefined })
    }
    const pass: Pass = {
      action: 'pass',
      upstream: route.upstream,
      fields: this.#fields(statusValue(verdict, decision, id), carried, route, trace),
      ...(decision.enforced && verdict.authenticated && { terms: this.#terms(verdict) }),
    }
    return decision.action === 'quarantine' ? this.#quarantine(pass, route, decision) : pass
  }

  // Monitor mode lets everything through, so it cuts nothing either.
  #terms(verdict: Verdict): StreamTerms {
    if (verdict.expiresS === undefined) return { subject: verdict }
    return { endsAtMs: verdict.expiresS * 1_000 + this.#toleranceMs, subject: verdict }
  }

  #quarantine(pass: Pass, route: ReadyRoute, decision: PolicyDecision): Decision {
    const { quarantine } = decision
    if (quarantine === null) return this.#quarantineFull(route)
    if (quarantine.kind === 'upstream') {
      const upstream = this.#parts.quarantineUpstreams.get(quarantine.upstream)
      return upstream === undefined ? this.#quarantineFull(route) : { ...pass, upstream }
    }
    if (quarantine.kind === 'share' && route.quarantineUpstream !== undefined) {
      return { ...pass, upstream: route.quarantineUpstream }
    }
    const limiter = this.#parts.limiters.for(decision, route)
    if (!limiter.admit(this.#clock.now())) return this.#quarantineFull(route)
    return { ...pass, release: () => limiter.leave() }
  }

  #quarantineFull(route: ReadyRoute): Answer {
    this.#parts.options.onShed?.('quarantine', route.options.service)
    return problemAnswer(quarantineFull)
  }

  // oxlint-disable-next-line max-params -- on the hot path an options object costs more than it says
  #fields(status: string, carried: Carried, route: ReadyRoute, trace?: ContinuedTrace): string[] {
    const fields = [metadataNames.status, status]
    const forwards = route.options.forwardToken === true
    if (forwards && carried.token !== undefined) {
      fields.push(metadataNames.token, carried.token)
      if (carried.staple !== undefined) fields.push(metadataNames.head, carried.staple)
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
}

const quarantineFull = {
  status: 503,
  title: 'quarantined calls get a small share of this service, and it is used up',
  code: 'quarantine_full',
}

function requestFacts({ head, route, certificate }: Case): PolicyRequest {
  return {
    method: head.method,
    host: head.host,
    path: head.path,
    route: route.name,
    mtls: certificate?.authorized === true ? (certificate.serviceId ?? certificate.commonName ?? null) : null,
    jwt: null,
  }
}

function trustedName(certificate: ClientCertificate, proxies: readonly string[]): string | undefined {
  if (!certificate.authorized) return undefined
  const { serviceId, commonName } = certificate
  return [serviceId, commonName].find((name) => name !== undefined && proxies.includes(name))
}

function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]?.toLowerCase() === name) return fields[i + 1]
  return undefined
}

const traceForm = /^[0-9a-f]{2}-([0-9a-f]{32})-/

function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent === undefined ? undefined : traceForm.exec(traceparent)?.[1]
}
