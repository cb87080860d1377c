import type { CompiledPolicy } from '@quantum-ip/policy'
import { reservedNames } from '@quantum-ip/point'
import { LoadGate } from '../gateway/load-gate.ts'
import type { BoundAddress } from '../gateway/listener.ts'
import { parseTrustedPeers } from '../gateway/peers.ts'
import { type Relay, openRelay } from '../gateway/relay.ts'
import {
  type GuardedRoute,
  type NamedParts,
  QuarantineLimiters,
  assignCandidates,
  assignPolicies,
  guardedRoute,
} from '../gateway/route-setup.ts'
import { compileRoutes } from '../gateway/route-table.ts'
import { forwardProblem } from './forward-answer.ts'
import { type ForwardAuthOptions, type ForwardRoute, peersHere } from './forward-auth-options.ts'
import { ForwardGuard } from './forward-guard.ts'

/** A running forward authentication endpoint. */
export interface ForwardAuth {
  /** Where it listens, in the order of the options. */
  readonly addresses: readonly BoundAddress[]
  /** Questions in flight in this thread. */
  readonly inFlight: number
  /**
   * Takes new policies, all or none, for questions that arrive from now on.
   *
   * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`; the former ones stay.
   */
  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void
  /** Stops gracefully; see {@link Relay.close}. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the endpoint that proxies ask before they let a request through: nginx (`auth_request`), Caddy (`forward_auth`), Traefik
 * (`forwardAuth`), HAProxy and Envoy (`ext_authz` over HTTP).
 *
 * It answers 200, 401 or 403 and nothing else. What it tells is in the fields of the answer: those that the proxy is to set on the
 * request, and `Quantum-IP-Action` and others for the proxy itself. It listens like the gateway, with the same limits and time-outs.
 *
 * Closed by default: a peer that is not listed, a request that is not told whole or has two readings, no route, a guard that fails and
 * too much load end in a refusal.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_ROUTE_CONFLICT`, `QIP_ENFORCE_OPTION_INVALID`,
 * `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openForwardAuth(options: ForwardAuthOptions): Promise<ForwardAuth> {
  compileRoutes(options.routes)
  const peers = parseTrustedPeers(options.peers ?? peersHere)
  const ready = Promise.withResolvers<ForwardGuard>()
  let guard: ForwardGuard | undefined
  const relay = await openRelay({
    ...options,
    name: options.point,
    reserved: reservedNames,
    // An upgrade that is asked about is a question like any other.
    upgrades: [],
    problem: forwardProblem,
    guard: (head) => guard?.judge(head) ?? ready.promise.then((opened) => opened.judge(head)),
  })
  try {
    const routes = options.routes.map((route) => guardedRoute(route, options, relay.load))
    assignPolicies(routes, options.policies, namedParts(options))
    assignCandidates(routes, options.candidates)
    guard = new ForwardGuard({
      options,
      peers,
      routes: compileRoutes(routes),
      limiters: new QuarantineLimiters(options.quarantineInFlightMax ?? 10, relay.load),
      gate: new LoadGate({
        shedder: options.shedder,
        inFlight: relay.load.counter('in flight'),
        inFlightMax: relay.limits.inFlightMax,
      }),
    })
    ready.resolve(guard)
    return new OpenForwardAuth(options, relay, routes)
  } catch (error) {
    await relay.close()
    throw error
  }
}

// The proxy knows the upstreams, where it routes quarantined requests at all.
function namedParts({ engines }: ForwardAuthOptions): NamedParts {
  return { hasUpstream: (_name, terms) => (terms as ForwardRoute).quarantine === 'routed', engines }
}

class OpenForwardAuth implements ForwardAuth {
  readonly #options: ForwardAuthOptions
  readonly #relay: Relay
  readonly #routes: readonly GuardedRoute[]

  constructor(options: ForwardAuthOptions, relay: Relay, routes: readonly GuardedRoute[]) {
    this.#options = options
    this.#relay = relay
    this.#routes = routes
  }

  get addresses(): readonly BoundAddress[] {
    return this.#relay.addresses
  }

  get inFlight(): number {
    return this.#relay.inFlight
  }

  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void {
    assignPolicies(this.#routes, policies, namedParts(this.#options))
    assignCandidates(this.#routes, candidates)
  }

  close(): Promise<void> {
    return this.#relay.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
