import type { ServiceId } from '@quantum-ip/base'
import type { CompiledPolicy, PolicyEnvironment, PolicyMode } from '@quantum-ip/policy'
import type { DeepMode } from '@quantum-ip/verifier'

/** Forms of tokens besides the compact one. */
export interface AcceptedForms {
  readonly standalone?: boolean | undefined
  readonly jwt?: boolean | undefined
  readonly reference?: boolean | undefined
  readonly domainAudience?: boolean | undefined
}

/** What a point is told of a service that it guards. */
export interface ServiceTerms {
  /** What tokens must be for. */
  readonly service: ServiceId
  /** Leave the token on the request: where what comes behind is the consuming point. Default false. */
  readonly forwardToken?: boolean | undefined
  readonly accept?: AcceptedForms | undefined
  /** Deep checks for this service, where they differ from the verifier's. */
  readonly deep?: DeepMode | undefined
  /** A fact of the service. */
  readonly tier?: string | undefined
  /** A fact of the service. Default `enforced`. */
  readonly stage?: 'observed' | 'onboarding' | 'enforced' | undefined
}

/** One route of a point with all that a request of it needs, looked up once. Policies may be replaced between two requests. */
export interface PointRoute {
  /** In records and facts. */
  readonly name: string
  readonly terms: ServiceTerms
  /** How much the service matters: 0 the most, 2 the least. */
  readonly priority: number
  readonly environment: PolicyEnvironment
  readonly policy: CompiledPolicy
  /** Decides too: in mode `monitor` without effect, else in place of `policy` for those callers for whom it is carried out. */
  readonly candidate?: CompiledPolicy | undefined
}

/** Where a point is. */
export interface PointPlace {
  /** Its name. */
  readonly point: string
  readonly region?: string | null | undefined
  /** Whether an incident is open. */
  readonly incident?: (() => boolean) | undefined
}

/** What policies may know of the place where they decide. `mode` is asked each time, since policies are replaced. */
export function routeEnvironment(
  place: PointPlace,
  terms: ServiceTerms,
  mode: () => PolicyMode,
): PolicyEnvironment {
  return new RouteEnvironment(place, terms, mode)
}

class RouteEnvironment implements PolicyEnvironment {
  readonly point: string
  readonly region: string | null
  readonly service: string
  readonly tier: string | null
  readonly stage: 'observed' | 'onboarding' | 'enforced'
  readonly #incident: () => boolean
  readonly #mode: () => PolicyMode

  constructor(place: PointPlace, terms: ServiceTerms, mode: () => PolicyMode) {
    this.point = place.point
    this.region = place.region ?? null
    this.service = terms.service
    this.tier = terms.tier ?? null
    this.stage = terms.stage ?? 'enforced'
    this.#incident = place.incident ?? (() => false)
    this.#mode = mode
  }

  get incident(): boolean {
    return this.#incident()
  }

  get mode(): PolicyMode {
    return this.#mode()
  }
}

/** A route of one service and one policy: for points that have no table of routes. */
export function createPointRoute(options: {
  readonly place: PointPlace
  readonly terms: ServiceTerms
  readonly policy: CompiledPolicy
  /** Default: the service ID. */
  readonly name?: string | undefined
  /** Default 1. */
  readonly priority?: number | undefined
}): PointRoute {
  const { place, terms, policy, name = terms.service, priority = 1 } = options
  const environment = routeEnvironment(place, terms, () => policy.document.mode)
  return { name, terms, priority, environment, policy }
}
