import { nearest } from '@quantum-ip/base'
import { type CompiledPolicy, builtinPolicy } from '@quantum-ip/policy'
import {
  lackingPart,
  type LoadCounter,
  type PointPlace,
  type PointRoute,
  routeEnvironment,
  type ServiceTerms,
  type SharedLoad,
} from '@quantum-ip/point'
import { EnforceError } from '../enforce-errors.ts'
import { priorityOf } from './load-gate.ts'
import {
  type ExemptRule,
  type RouteMatch,
  type RoutePattern,
  checkRouteService,
  routeName,
} from './route-table.ts'

/** What a table says of a route of any point that has one. */
export interface RouteTerms extends RoutePattern, ServiceTerms {
  /** Name of a policy. Absent: the built-in one, which refuses everything that is not verified. */
  readonly policy?: string | undefined
}

/** A route with everything that a request of it needs, looked up once. */
export interface GuardedRoute<Terms extends RouteTerms = RouteTerms> extends PointRoute {
  readonly match: RouteMatch
  readonly exempt: readonly ExemptRule[]
  readonly terms: Terms
  /** How often it was asked. */
  readonly load: LoadCounter
  policy: CompiledPolicy
  candidate: CompiledPolicy | undefined
}

/**
 * Makes a route ready, with the built-in policy.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`
 */
export function guardedRoute<Terms extends RouteTerms>(
  terms: Terms,
  place: PointPlace,
  load: SharedLoad,
): GuardedRoute<Terms> {
  checkRouteService(terms)
  const ready: GuardedRoute<Terms> = {
    name: routeName(terms),
    match: terms.match,
    exempt: terms.exempt ?? [],
    terms,
    load: load.counter(`requests ${terms.service}`),
    priority: priorityOf(terms.tier),
    environment: routeEnvironment(place, terms, () => ready.policy.document.mode),
    policy: builtinPolicy,
    candidate: undefined,
  }
  return ready
}

/** What policies name. */
export interface NamedParts {
  /** Whether requests of a route can be sent to the quarantine upstream of this name. */
  readonly hasUpstream: (name: string, terms: RouteTerms) => boolean
  readonly engines: ReadonlyMap<string, unknown> | undefined
}

/**
 * Finds the policies of routes, all before any of them is put in its place.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID` for a policy that is not there, or one that names a
 * quarantine upstream or an engine that is not there.
 */
export function assignPolicies(
  routes: readonly GuardedRoute[],
  policies: ReadonlyMap<string, CompiledPolicy>,
  named: NamedParts,
): void {
  const found = routes.map((route) => policyOf(route, policies, named))
  for (const [at, route] of routes.entries()) route.policy = found[at] ?? builtinPolicy
}

function policyOf(
  { name: route, terms }: GuardedRoute,
  policies: ReadonlyMap<string, CompiledPolicy>,
  named: NamedParts,
): CompiledPolicy {
  const { policy: name } = terms
  if (name === undefined) return builtinPolicy
  const policy = policies.get(name)
  if (policy === undefined) {
    const meant = nearest(name, policies.keys())
    const reason = `there is no policy \`${name}\`${meant === undefined ? '' : `; there is \`${meant}\``}`
    throw new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route, reason })
  }
  const { hasUpstream, engines } = named
  const lacks = lackingPart(policy, { hasUpstream: (upstream) => hasUpstream(upstream, terms), engines })
  if (lacks === undefined) return policy
  throw new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route, reason: `policy \`${name}\` ${lacks}` })
}

/** Puts candidates in their place: of each policy the one of its name, or none. */
export function assignCandidates(
  routes: readonly GuardedRoute[],
  candidates: ReadonlyMap<string, CompiledPolicy> | undefined,
): void {
  for (const route of routes) route.candidate = candidates?.get(route.terms.policy ?? '')
}
