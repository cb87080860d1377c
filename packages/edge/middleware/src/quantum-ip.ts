import { createHash } from 'node:crypto'
import { type Clock, type ServiceId, parseServiceId, systemClock } from '@quantum-ip/base'
import {
  type AcceptedForms,
  type Admitted,
  allocateLoadMemory,
  type Carried,
  type CertificateTellers,
  type ClientCertificate,
  type Outcome,
  type PointAnswer,
  type PointOptions,
  type PointRequest,
  type RequestCoordinates,
  createPointRoute,
  EnforcementPoint,
  lackingPart,
  type LoadCounter,
  problemAnswer,
  QuarantineLimiters,
  quarantineFullAnswer,
  readCarried,
  readTarget,
  SharedLoad,
  targetProblem,
  type TargetRefusal,
  ToldCertificates,
} from '@quantum-ip/point'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { builtinPolicy } from '@quantum-ip/policy/deciding'
import { readToken, TokenRefusal } from '@quantum-ip/token'
import type { DeepMode } from '@quantum-ip/verifier'
import type { QuantumIpCall } from './call.ts'
import { type CutOptions, type Hold, OpenCalls } from './lib/open-calls.ts'
import type { ReadAhead } from './lib/read-ahead.ts'

/** What {@link assembleQuantumIp} is given: nothing of it is opened or compiled here. */
export interface QuantumIpParts extends PointOptions {
  /** This service: what tokens must be for. */
  readonly service: ServiceId
  /** The name of this enforcement point, in records. Default `node`. */
  readonly point?: string
  readonly region?: string
  /** A compiled policy. Default: verified callers pass, everybody else is refused. */
  readonly policy?: CompiledPolicy | undefined
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
  /** Quarantined calls at once, where the policy gives a share. Default 10. */
  readonly quarantineInFlightMax?: number
  /** What limits are counted in, over the threads of a process. Default: memory of its own. */
  readonly load?: SharedLoad
  /**
   * Bodies up to this many bytes are read before the verdict, for tokens that are bound to a request: the body may be part of it. Handlers
   * read them as ever. Default 65,536; 0 for never.
   */
  readonly bodyBytesHeld?: number
  /**
   * Whether policies see paths exactly as they arrived. Default: no. A path that has more than one reading (`/a/../b`, `/a%2Fb`, `//`) is
   * refused with 400, and policies see the others with needless escapes undone, because routers decode before they choose a handler.
   */
  readonly exactPaths?: boolean
  /** Ends calls that are open for long when their token ends, or is revoked. Absent: what was let through once stays open. */
  readonly cut?: CutOptions
  /** Whether refusals say why to everybody. Default: only to callers that proved who they are. */
  readonly explains?: boolean
  /** How callers spell this service's addresses, where something in front ends TLS: for tokens that are bound to a request. */
  readonly scheme?: 'https'
  /** Whether an incident is open: what policies may ask. Default: never. */
  readonly incident?: () => boolean
  /**
   * Where proxies in front end TLS: how they say which certificate a client showed, and which of them are believed. Absent: it is that of
   * the connection. The fields are left where they are.
   */
  readonly clientCertificates?: CertificateTellers
  /** Hears of what failed inside; the request was refused with 503. */
  readonly onError?: (error: unknown) => void
}

/** One request, whatever framework carries it. */
export interface CallToJudge {
  readonly at: RequestCoordinates
  /** Fields of Quantum IP and of the trace context, lower case and flat: each as often as it was sent. */
  readonly reserved: readonly string[]
  readonly certificate?: ClientCertificate | undefined
  /** Whether the handler, too, gets the path of `at` and no other: nothing decodes it in between. */
  readonly isPathFinal?: boolean
  /** Reads the body ahead, where there is one and that can be done. */
  readonly body?: ReadAhead | undefined
}

/** It may go on. */
export interface PassedCall {
  readonly passes: true
  readonly call: QuantumIpCall
  /** Fields that handlers are to see in place of the reserved ones: flat. */
  readonly fields: readonly string[]
  /** Called when the answer begins: there where it is limited, or may have to be cut. */
  readonly hold?: Hold | undefined
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
export interface QuantumIp extends Disposable {
  readonly service: ServiceId
  readonly scheme: 'https' | undefined
  /** What proxies in front say of certificates, where that was configured. */
  readonly certificates: ToldCertificates | undefined
  /** Calls whose answer is not over, as far as they are limited or can be cut. */
  readonly openCalls: number
  /** Never throws and never rejects: what fails inside is a refusal with 503. */
  judge(call: CallToJudge): JudgedCall | Promise<JudgedCall>
  /** Puts another policy in force, from the next request on. */
  usePolicy(policy: CompiledPolicy, candidate?: CompiledPolicy): void
  /** Asks again about every open call, and cuts those whose token no longer holds. Returns how many. */
  recheckStreams(): number
}

/**
 * Verification inside a service, out of parts that are there already, with a policy that is compiled: loads no CEL, which is most of
 * what `createQuantumIp` loads.
 *
 * @throws {BaseError} for a service that is no service ID.
 * @throws {TypeError} for a policy that is not compiled, and for a peer in `clientCertificates` that is neither an address nor a CIDR block.
 */
export function assembleQuantumIp(parts: QuantumIpParts): QuantumIp {
  const { policy } = parts
  if (policy !== undefined && !isCompiled(policy)) {
    throw new TypeError(
      '`policy` is not compiled: pass `compilePolicy(parsePolicy(policy))`, both of @quantum-ip/policy',
    )
  }
  return new ServicePoint(parts)
}

class ServicePoint implements QuantumIp {
  readonly service: ServiceId
  readonly scheme: 'https' | undefined
  readonly certificates: ToldCertificates | undefined
  readonly #options: QuantumIpParts
  readonly #point: EnforcementPoint
  readonly #clock: Clock
  readonly #limiters: QuarantineLimiters
  readonly #requests: LoadCounter
  readonly #open: OpenCalls
  readonly #bytesHeld: number
  #route: ReturnType<typeof createPointRoute>

  constructor(options: QuantumIpParts) {
    this.service = parseServiceId(options.service)
    this.scheme = options.scheme
    this.certificates = options.clientCertificates && new ToldCertificates(options.clientCertificates)
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#point = new EnforcementPoint(options)
    this.#bytesHeld = options.bodyBytesHeld ?? 65_536
    const load = options.load ?? new SharedLoad(allocateLoadMemory({ threads: 1 }), 0)
    this.#requests = load.counter(`requests ${this.service}`)
    this.#limiters = new QuarantineLimiters(options.quarantineInFlightMax ?? 10, load)
    this.#open = new OpenCalls(load, this.#clock, options.cut)
    this.#route = this.#routeOf(options.policy ?? builtinPolicy, options.candidate)
  }

  usePolicy(policy: CompiledPolicy, candidate?: CompiledPolicy): void {
    this.#route = this.#routeOf(policy, candidate)
  }

  get openCalls(): number {
    return this.#open.size
  }

  recheckStreams(): number {
    return this.#open.recheck()
  }

  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]()
  }

  judge(call: CallToJudge): JudgedCall | Promise<JudgedCall> {
    this.#requests.count()
    const { explains, exactPaths } = this.#options
    try {
      const { reserved, certificate, body } = call
      const at = exactPaths === true || call.isPathFinal === true ? call.at : readPath(call.at)
      if ('refused' in at) return { passes: false, answer: targetAnswer(at) }
      const request = { at, carried: readCarried(reserved), certificate, explains }
      const isHeld = body !== undefined && this.#bytesHeld > 0 && mayBindBody(request.carried)
      const outcome = isHeld ? this.#judgeWithBody(request, body) : this.#point.judge(request, this.#route)
      if (!(outcome instanceof Promise)) return this.#act(outcome)
      return outcome.then((settled) => this.#act(settled)).catch((error: unknown) => this.#failed(error))
    } catch (error) {
      return this.#failed(error)
    }
  }

  async #judgeWithBody(request: PointRequest, readAhead: ReadAhead): Promise<Outcome> {
    const body = await readAhead(this.#bytesHeld)
    const contentDigest = body && createHash('sha256').update(body).digest()
    return this.#point.judge({ ...request, contentDigest }, this.#route)
  }

  #act(outcome: Outcome): JudgedCall {
    if (outcome.action === 'reject') return { passes: false, answer: outcome.answer, outcome }
    const { verdict, decision, decisionId, action, fields } = outcome
    const { identity, build } = verdict
    const call: QuantumIpCall = { verdict, identity, build, action, decision, decisionId }
    const limits = action === 'quarantine' && this.#options.quarantine !== 'mark'
    const limiter = limits ? this.#admit(outcome) : undefined
    if (limits && limiter === undefined) return { passes: false, answer: quarantineFullAnswer(), outcome }
    return { passes: true, call, fields, hold: this.#open.holdOf(outcome, limiter) }
  }

  #admit({ decision }: Admitted) {
    const to = { service: this.service, load: this.#requests }
    return this.#limiters.admit(decision, to, this.#clock.now())
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

  #routeOf(policy: CompiledPolicy, candidate: CompiledPolicy | undefined) {
    const { point = 'node', region, accept, deep, incident } = this.#options
    const place = { point, region: region ?? null, incident }
    return {
      ...createPointRoute({ place, terms: { service: this.service, accept, deep }, policy }),
      candidate,
    }
  }
}

// `*` stands for the whole server (RFC 9112, section 3.2.4) and is no path.
function readPath(at: RequestCoordinates): RequestCoordinates | TargetRefusal {
  if (at.path === '*') return at
  const read = readTarget(at.path, false)
  if ('refused' in read) return read
  return read.path === at.path ? at : { ...at, path: read.path }
}

function targetAnswer({ refused: code, detail }: TargetRefusal): PointAnswer {
  return problemAnswer({ ...targetProblem[code], code, detail })
}

const verificationFailed = {
  status: 503,
  title: 'the caller cannot be verified now',
  code: 'verification_failed',
}

/** Whether the body may be part of what the token is bound to: it says that it is bound, or its claims are elsewhere. */
function mayBindBody({ token, tokenCount }: Carried): boolean {
  if (token === undefined || tokenCount !== 1) return false
  const read = readToken(token)
  if (read instanceof TokenRefusal) return false
  return read.form === 'reference' || read.claims.req !== undefined
}

/**
 * Refuses a policy that cannot be carried out here.
 *
 * @throws {TypeError} for one that asks an engine that is not there, or names a quarantine upstream where the handler does not decide.
 */
export function checkUsable(
  policy: CompiledPolicy,
  { engines, quarantine }: Pick<QuantumIpParts, 'engines' | 'quarantine'>,
): void {
  const lacks = lackingPart(policy, { hasUpstream: () => quarantine === 'mark', engines })
  if (lacks !== undefined) throw new TypeError(`policy \`${policy.identity.name}\` ${lacks}`)
}

/** Whether it is a policy that was compiled, and no document. */
export function isCompiled(policy: CompiledPolicy | object): policy is CompiledPolicy {
  return 'identity' in policy && 'defaults' in policy
}
