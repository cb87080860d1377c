import { createHash } from 'node:crypto'
import { type Clock, systemClock } from '@quantum-ip/base'
import {
  type Admitted,
  type Carried,
  type ClientCertificate,
  EnforcementPoint,
  type Outcome,
  type PointRequest,
  type QuarantineLimiters,
  quarantineFullAnswer,
  readCarried,
  streamTerms,
} from '@quantum-ip/point'
import type { ShedCause } from '@quantum-ip/telemetry'
import type { Answer, Decision, Pass } from './decision.ts'
import type { ForwardedCertificates } from './forwarded-certificates.ts'
import type { GatewayOptions } from './gateway-options.ts'
import type { LoadGate } from './load-gate.ts'
import { relayProblem } from './problem.ts'
import { ProbeDesk, type ProbeTicket } from './probe.ts'
import type { RequestHead } from './request-head.ts'
import type { ReadyRoute } from './gateway-routes.ts'
import { type RouteTable, isExempt } from './route-table.ts'
import type { Upstream } from './upstream.ts'

/** What the guard works with. */
export interface GuardParts {
  readonly options: GatewayOptions
  readonly routes: RouteTable<ReadyRoute>
  readonly quarantineUpstreams: ReadonlyMap<string, Upstream>
  readonly limiters: QuarantineLimiters
  readonly gate: LoadGate
  readonly forwardedCertificates: ForwardedCertificates
}

/**
 * Verify, decide, act: the gateway's guard. What it thinks of a request is the {@link EnforcementPoint}'s; here is what a gateway
 * does about it: shed, hold a body, forward, quarantine, answer.
 */
export class GatewayGuard {
  readonly #parts: GuardParts
  readonly #point: EnforcementPoint
  readonly #clock: Clock
  readonly #toleranceMs: number
  readonly #probes: ProbeDesk | undefined

  constructor(parts: GuardParts) {
    const { verifier, probes, clock = systemClock, clockToleranceS = 30 } = parts.options
    this.#parts = parts
    this.#point = new EnforcementPoint(parts.options)
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
      const fields = this.#point.exempt(carried, route)
      const { onward } = this.#parts.options
      return { action: 'pass', upstream: route.upstream, fields: onward?.(carried, fields) ?? fields }
    }
    const held = route.terms.bodyBytesHeld ?? 0
    if (held > 0 && head.hasBody && carried.tokenCount === 1) return this.#judgeWithBody(head, route, carried)
    return this.#ask(this.#requestOf(head, carried), route)
  }

  async #judgeProbe(head: RequestHead, route: ReadyRoute, ticket: ProbeTicket): Promise<Decision> {
    const probes = this.#probes
    if (probes === undefined || !(await probes.holds(ticket))) return this.#judgeOn(head, route)
    const carried = readCarried(head.reserved)
    const examined = await this.#point.examine(this.#requestOf(head, carried), route)
    const exempt = route.exempt.length > 0 && isExempt(route.exempt, head)
    const { service } = route.terms
    return probes.answer(
      { head, route: { name: route.name, service }, carried, exempt, ...examined },
      ticket.sent,
    )
  }

  // Whatever the mode: a gateway that answers too late protects nobody, and monitors nothing.
  #shed(cause: ShedCause, route: ReadyRoute): Answer | Promise<Answer> {
    this.#parts.options.onShed?.(cause, route.terms.service)
    return this.#parts.gate.pause(cause)?.then(() => relayProblem('overloaded')) ?? relayProblem('overloaded')
  }

  async #judgeWithBody(head: RequestHead, route: ReadyRoute, carried: Carried): Promise<Decision> {
    const body = await head.body(route.terms.bodyBytesHeld ?? 0)
    const digest = body && createHash('sha256').update(body).digest()
    return this.#ask(this.#requestOf(head, carried, digest), route)
  }

  #requestOf(head: RequestHead, carried: Carried, contentDigest?: Uint8Array): PointRequest {
    const { tls, detail, clientCertificates } = head.listener
    const shown =
      tls !== undefined && (tls.clientCertificate ?? 'off') !== 'off' ? head.certificate() : undefined
    // Behind a proxy, what the connection shows is the proxy's own: it names who repeats, and binds nobody's token.
    const certificate =
      clientCertificates === undefined ? shown : this.#parts.forwardedCertificates.read(head)
    const { retries } = this.#parts.options
    const proxy = retries && shown && trustedName(shown, retries.proxies)
    return {
      at: head,
      carried,
      certificate,
      contentDigest,
      requestId: proxy === undefined ? undefined : fieldOf(head.fields, retries?.requestIdField ?? ''),
      proxy,
      explains: detail === 'internal',
    }
  }

  #ask(request: PointRequest, route: ReadyRoute): Decision | Promise<Decision> {
    const outcome = this.#point.judge(request, route)
    if (!(outcome instanceof Promise)) return this.#act(outcome, request, route)
    return outcome.then((settled) => this.#act(settled, request, route))
  }

  #act(outcome: Outcome, { carried }: PointRequest, route: ReadyRoute): Decision {
    const { verdict } = outcome
    if (outcome.action === 'reject') {
      if (verdict.reason === 'overloaded') this.#parts.options.onShed?.('verifier', route.terms.service)
      return outcome.answer
    }
    const terms = streamTerms(outcome, this.#toleranceMs)
    const pass: Pass = {
      action: 'pass',
      upstream: route.upstream,
      fields: this.#parts.options.onward?.(carried, outcome.fields, outcome) ?? outcome.fields,
      ...(terms !== undefined && { terms }),
    }
    return outcome.action === 'quarantine' ? this.#quarantine(pass, route, outcome) : pass
  }

  #quarantine(pass: Pass, route: ReadyRoute, { decision }: Admitted): Decision {
    const { quarantine } = decision
    if (quarantine?.kind === 'upstream') {
      const upstream = this.#parts.quarantineUpstreams.get(quarantine.upstream)
      return upstream === undefined ? this.#quarantineFull(route) : { ...pass, upstream }
    }
    if (quarantine?.kind === 'share' && route.quarantineUpstream !== undefined) {
      return { ...pass, upstream: route.quarantineUpstream }
    }
    const { service } = route.terms
    const limiter = this.#parts.limiters.admit(decision, { service, load: route.load }, this.#clock.now())
    if (limiter === undefined) return this.#quarantineFull(route)
    return { ...pass, release: () => limiter.leave() }
  }

  #quarantineFull(route: ReadyRoute): Answer {
    this.#parts.options.onShed?.('quarantine', route.terms.service)
    return quarantineFullAnswer()
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
