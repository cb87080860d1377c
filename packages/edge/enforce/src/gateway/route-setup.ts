import { nearest } from '@quantum-ip/base'
import { type CompiledPolicy, type Decision, type Quarantine, builtinPolicy } from '@quantum-ip/policy'
import { type PointRoute, routeEnvironment } from '@quantum-ip/point'
import { EnforceError } from '../enforce-errors.ts'
import type { GatewayOptions, GatewayRoute } from './gateway-options.ts'
import { priorityOf } from './load-gate.ts'
import { type QuarantineLimiter, quarantineLimiter } from './quarantine-limiter.ts'
import type { Relay } from './relay.ts'
import { type ExemptRule, checkRouteService, routeName } from './route-table.ts'
import type { LoadCounter, SharedLoad } from './shared-load.ts'
import type { Upstream, UpstreamOptions } from './upstream.ts'

/** A route with everything that a request of it needs, looked up once. */
export interface ReadyRoute extends PointRoute {
  readonly match: GatewayRoute['match']
  readonly exempt: readonly ExemptRule[]
  readonly terms: GatewayRoute
  readonly upstream: Upstream
  readonly quarantineUpstream: Upstream | undefined
  readonly load: LoadCounter
  /** Its place in `loadPriorities`. */
  readonly priority: number
  policy: CompiledPolicy
  candidate: CompiledPolicy | undefined
}

/** Opens upstreams, one for each address and way of speaking to it. */
export type UpstreamOpener = (options: UpstreamOptions) => Upstream

/**
 * Makes routes ready.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_UPSTREAM_INVALID`
 */
export function readyRoutes(
  options: GatewayOptions,
  relay: Pick<Relay, 'load'> & { readonly open: UpstreamOpener },
): readonly ReadyRoute[] {
  const { open, load } = relay
  return options.routes.map((route) => {
    checkRouteService(route)
    const ready: ReadyRoute = {
      name: routeName(route),
      match: route.match,
      exempt: route.exempt ?? [],
      terms: route,
      upstream: open(route.upstream),
      quarantineUpstream: route.quarantineUpstream && open(route.quarantineUpstream),
      load: load.counter(`requests ${route.service}`),
      priority: priorityOf(route.tier),
      environment: routeEnvironment(options, route, () => ready.policy.document.mode),
      policy: builtinPolicy,
      candidate: undefined,
    }
    return ready
  })
}

/** What policies name. */
export interface NamedParts {
  readonly upstreams: ReadonlyMap<string, unknown>
  readonly engines: ReadonlyMap<string, unknown> | undefined
}

/**
 * Finds the policies of routes, all before any of them is put in its place.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID` for a policy that is not there, or one that names a
 * quarantine upstream or an engine that is not there.
 */
export function assignPolicies(
  routes: readonly ReadyRoute[],
  policies: ReadonlyMap<string, CompiledPolicy>,
  named: NamedParts,
): void {
  const found = routes.map((route) => policyOf(route, policies, named))
  for (const [at, route] of routes.entries()) route.policy = found[at] ?? builtinPolicy
}

function policyOf(
  { name: route, terms }: ReadyRoute,
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
  for (const upstream of quarantineNames(policy)) {
    if (named.upstreams.has(upstream)) continue
    const reason = `policy \`${name}\` names the quarantine upstream \`${upstream}\`, which is not there`
    throw new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route, reason })
  }
  const engine = policy.engine?.name
  if (engine !== undefined && named.engines?.has(engine) !== true) {
    const reason = `policy \`${name}\` asks the engine \`${engine}\`, which is not there`
    throw new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route, reason })
  }
  return policy
}

function quarantineNames({ exceptions, rules, engine, defaults }: CompiledPolicy): Set<string> {
  const names = new Set<string>()
  for (const { quarantine } of [
    ...exceptions,
    ...rules,
    ...(engine === null ? [] : [engine.quarantine]),
    ...defaults.values(),
  ]) {
    if (quarantine?.kind === 'upstream') names.add(quarantine.upstream)
  }
  return names
}

/** The limiters of quarantines, each made when it is first needed. A policy that is replaced takes its own with it. */
export class QuarantineLimiters {
  readonly #concurrency: number
  readonly #shared: SharedLoad
  readonly #limiters = new WeakMap<Quarantine, Map<LoadCounter, QuarantineLimiter>>()

  constructor(concurrency: number, shared: SharedLoad) {
    this.#concurrency = concurrency
    this.#shared = shared
  }

  for(decision: Decision, route: ReadyRoute): QuarantineLimiter {
    const quarantine = decision.quarantine as Quarantine
    let byService = this.#limiters.get(quarantine)
    if (byService === undefined) this.#limiters.set(quarantine, (byService = new Map()))
    const known = byService.get(route.load)
    if (known !== undefined) return known
    // The same in all threads: each has its own copy of the policy.
    const { policy, rule, exception } = decision
    const named = [
      policy.name,
      policy.version,
      exception?.name ?? null,
      rule,
      quarantine,
      route.terms.service,
    ]
    const limiter = quarantineLimiter(quarantine, this.#concurrency, {
      shared: this.#shared,
      name: `quarantine ${JSON.stringify(named)}`,
      load: route.load,
    })
    byService.set(route.load, limiter)
    return limiter
  }
}
