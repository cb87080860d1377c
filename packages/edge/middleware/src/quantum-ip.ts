import { type Clock, type ServiceId, parseServiceId, systemClock } from '@quantum-ip/base'
import {
  type AcceptedForms,
  type ClientCertificate,
  type Outcome,
  type PointAnswer,
  type PointOptions,
  type RequestCoordinates,
  createPointRoute,
  EnforcementPoint,
  problemAnswer,
  readCarried,
} from '@quantum-ip/point'
import {
  type CompiledPolicy,
  type Quarantine,
  builtinPolicy,
  compilePolicy,
  parsePolicy,
} from '@quantum-ip/policy'
import type { DeepMode } from '@quantum-ip/verifier'
import type { QuantumIpCall } from './call.ts'
import { QuarantineLimiter } from './lib/quarantine.ts'

/** What {@link createQuantumIp} is made of: nothing of it is opened here. */
export interface QuantumIpOptions extends PointOptions {
  /** This service: what tokens must be for. */
  readonly service: ServiceId
  /** The name of this enforcement point, in records. Default `node`. */
  readonly point?: string
  readonly region?: string
  /** A compiled policy, or a document as YAML would give it. Default: verified callers pass, everybody else is refused. */
  readonly policy?: CompiledPolicy | object
  /** Decides beside it, without effect or for a share of callers. */
  readonly candidate?: CompiledPolicy
  /** Forms of tokens besides the compact one. Default: none. */
  readonly accept?: AcceptedForms
  /** Deep checks, where they differ from the verifier's. */
  readonly deep?: DeepMode
  /**
   * What becomes of requests that the policy puts into quarantine. `limit`: they get the rate, or share, that the policy gives them,
   * and 503 beyond it. `mark`: all of them go on, and handlers see `action: 'quarantine'` and decide. Default `limit`.
   */
  readonly quarantine?: 'limit' | 'mark'
  /** Whether refusals say why to everybody. Default: only to callers that proved who they are. */
  readonly explains?: boolean
  /** How callers spell this service's addresses, where something in front ends TLS: for tokens that are bound to a request. */
  readonly scheme?: 'https'
  /** Hears of what failed inside; the request was refused with 503. */
  readonly onError?: (error: unknown) => void
}

/** One request, whatever framework carries it. */
export interface CallToJudge {
  readonly at: RequestCoordinates
  /** Fields of Quantum IP and of the trace context, lower case and flat: each as often as it was sent. */
  readonly reserved: readonly string[]
  readonly certificate?: ClientCertificate | undefined
}

/** It may go on. */
export interface PassedCall {
  readonly passes: true
  readonly call: QuantumIpCall
  /** Fields that handlers are to see in place of the reserved ones: flat. */
  readonly fields: readonly string[]
  /** To be called once, when the answer is over: there where it is limited. */
  readonly release?: () => void
}

/** It may not, and this is the answer. */
export interface RefusedCall {
  readonly passes: false
  readonly answer: PointAnswer
  /** Absent where verification itself failed. */
  readonly outcome?: Outcome
}

/** What becomes of one request. */
export type JudgedCall = PassedCall | RefusedCall

/** Verification inside a service: what the adapters of frameworks are given. */
export interface QuantumIp {
  readonly service: ServiceId
  readonly scheme: 'https' | undefined
  /** Never throws and never rejects: what fails inside is a refusal with 503. */
  judge(call: CallToJudge): JudgedCall | Promise<JudgedCall>
  /** Puts another policy in force, from the next request on. */
  usePolicy(policy: CompiledPolicy, candidate?: CompiledPolicy): void
}

/**
 * Verification inside a service, out of parts that are there already: a verifier, a policy, a decision log. `openQuantumIp`
 * opens these parts, too.
 *
 * @throws {BaseError} for a service that is no service ID.
 * @throws {PolicyError} for a policy that is none.
 */
export function createQuantumIp(options: QuantumIpOptions): QuantumIp {
  return new ServicePoint(options)
}

class ServicePoint implements QuantumIp {
  readonly service: ServiceId
  readonly scheme: 'https' | undefined
  readonly #options: QuantumIpOptions
  readonly #point: EnforcementPoint
  readonly #clock: Clock
  readonly #limiters = new WeakMap<Quarantine, QuarantineLimiter>()
  #route: ReturnType<typeof createPointRoute>
  #requests = 0

  constructor(options: QuantumIpOptions) {
    this.service = parseServiceId(options.service)
    this.scheme = options.scheme
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#point = new EnforcementPoint(options)
    this.#route = this.#routeOf(compiledPolicy(options.policy), options.candidate)
  }

  usePolicy(policy: CompiledPolicy, candidate?: CompiledPolicy): void {
    this.#route = this.#routeOf(policy, candidate)
  }

  judge({ at, reserved, certificate }: CallToJudge): JudgedCall | Promise<JudgedCall> {
    this.#requests += 1
    const { explains } = this.#options
    try {
      const request = { at, carried: readCarried(reserved), certificate, explains }
      const outcome = this.#point.judge(request, this.#route)
      if (!(outcome instanceof Promise)) return this.#act(outcome)
      return outcome.then((settled) => this.#act(settled)).catch((error: unknown) => this.#failed(error))
    } catch (error) {
      return this.#failed(error)
    }
  }

  #act(outcome: Outcome): JudgedCall {
    if (outcome.action === 'reject') return { passes: false, answer: outcome.answer, outcome }
    const { verdict, decision, decisionId, action, fields } = outcome
    const { identity, build } = verdict
    const call: QuantumIpCall = { verdict, identity, build, action, decision, decisionId }
    if (action === 'allow' || this.#options.quarantine === 'mark') return { passes: true, call, fields }
    const limiter = decision.quarantine === null ? undefined : this.#limiterOf(decision.quarantine)
    if (limiter?.admit(this.#clock.now(), this.#requests) !== true) {
      return { passes: false, answer: problemAnswer(quarantineFull), outcome }
    }
    return { passes: true, call, fields, release: () => limiter.leave() }
  }

  /** Closed: whoever cannot be judged does not pass. */
  #failed(error: unknown): RefusedCall {
    try {
      this.#options.onError?.(error)
    } catch {
      // The request is refused all the same, and who hears of failures has one of its own.
    }
    return { passes: false, answer: problemAnswer(verificationFailed) }
  }

  #limiterOf(quarantine: Quarantine): QuarantineLimiter {
    let limiter = this.#limiters.get(quarantine)
    if (limiter === undefined) this.#limiters.set(quarantine, (limiter = new QuarantineLimiter(quarantine)))
    return limiter
  }

  #routeOf(policy: CompiledPolicy, candidate: CompiledPolicy | undefined) {
    const { point = 'node', region, accept, deep } = this.#options
    const place = { point, region: region ?? null }
    return {
      ...createPointRoute({ place, terms: { service: this.service, accept, deep }, policy }),
      candidate,
    }
  }
}

const quarantineFull = {
  status: 503,
  title: 'quarantined calls get a small share of this service, and it is used up',
  code: 'quarantine_full',
}

const verificationFailed = {
  status: 503,
  title: 'the caller cannot be verified now',
  code: 'verification_failed',
}

/** A policy that may be a document still. */
export function compiledPolicy(policy: CompiledPolicy | object | undefined): CompiledPolicy {
  if (policy === undefined) return builtinPolicy
  return isCompiled(policy) ? policy : compilePolicy(parsePolicy(policy))
}

function isCompiled(policy: CompiledPolicy | object): policy is CompiledPolicy {
  return 'identity' in policy && 'defaults' in policy
}
