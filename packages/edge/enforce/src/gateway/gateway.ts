import type { Verifier } from '@quantum-ip/verifier'
import { isKnownBad, QuarantineLimiters, reservedNames } from '@quantum-ip/point'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { ForwardedCertificates } from './forwarded-certificates.ts'
import type { GatewayOptions } from './gateway-options.ts'
import { GatewayGuard } from './guard.ts'
import type { BoundAddress } from './listener.ts'
import { LoadGate } from './load-gate.ts'
import type { RelayObserver } from './relay-observer.ts'
import { type Relay, openRelay } from './relay.ts'
import { type ReadyRoute, readyRoutes } from './gateway-routes.ts'
import { type NamedParts, assignCandidates, assignPolicies } from './route-setup.ts'
import { compileRoutes } from './route-table.ts'
import { type Upstream, type UpstreamOptions, parseUpstreamAddress } from './upstream.ts'

/** A running gateway. */
export interface Gateway {
  /** Where it listens, in the order of the options. */
  readonly addresses: readonly BoundAddress[]
  /** Requests and tunnels in flight in this thread. */
  readonly inFlight: number
  /**
   * Takes new policies, all or none, for requests that arrive from now on.
   *
   * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`; the former ones stay.
   */
  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void
  /** Asks again about every open request and tunnel, and cuts those whose token no longer holds. Returns how many. */
  recheckStreams(): number
  /** Stops gracefully; see {@link Relay.close}. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the gateway: a streaming reverse proxy that verifies each request, lets the policy of its route
 * decide, and allows, rejects or quarantines.
 *
 * Closed by default: no route, no policy, a guard that fails or a request with two readings end in a refusal.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_ROUTE_CONFLICT`,
 * `QIP_ENFORCE_UPSTREAM_INVALID`, `QIP_ENFORCE_OPTION_INVALID`, `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  // What can be refused is refused before anything listens.
  compileRoutes(options.routes)
  for (const route of options.routes) checkUpstreams([route.upstream, route.quarantineUpstream])
  checkUpstreams([...(options.quarantineUpstreams?.values() ?? [])])
  const forwardedCertificates = new ForwardedCertificates(options.listeners)
  // Requests that come before the last part is in its place wait for it.
  const ready = Promise.withResolvers<GatewayGuard>()
  let guard: GatewayGuard | undefined
  const relay = await openRelay({
    ...options,
    name: options.point,
    reserved: [...reservedNames, ...forwardedCertificates.fields],
    observer: shedObserver(options),
    guard: (head) => guard?.judge(head) ?? ready.promise.then((opened) => opened.judge(head)),
  })
  try {
    const routes = readyRoutes(options, relay)
    const upstreams = openEach(options.quarantineUpstreams, relay)
    const named = { hasUpstream: (name: string) => upstreams.has(name), engines: options.engines }
    assignPolicies(routes, options.policies, named)
    assignCandidates(routes, options.candidates)
    guard = new GatewayGuard({
      options,
      routes: compileRoutes(routes),
      quarantineUpstreams: upstreams,
      forwardedCertificates,
      limiters: new QuarantineLimiters(options.quarantineInFlightMax ?? 10, relay.load),
      gate: new LoadGate({
        shedder: options.shedder,
        inFlight: relay.load.counter('in flight'),
        inFlightMax: relay.limits.inFlightMax,
      }),
    })
    ready.resolve(guard)
    return new OpenGateway({ options, relay, routes, named })
  } catch (error) {
    await relay.close()
    throw error
  }
}

/** What the relay sheds by itself, before a route is found or after, is told like what the gate sheds. */
function shedObserver({ observer = {}, onShed }: GatewayOptions): RelayObserver {
  return {
    ...observer,
    problem(code) {
      observer.problem?.(code)
      if (code === 'overloaded') onShed?.('in_flight')
      if (code === 'upstream_saturated') onShed?.('upstream')
    },
  }
}

function checkUpstreams(upstreams: readonly (UpstreamOptions | undefined)[]): void {
  for (const upstream of upstreams)
    if (upstream !== undefined) parseUpstreamAddress(upstream.url, upstream.tls ?? {})
}

function openEach(
  named: ReadonlyMap<string, UpstreamOptions> | undefined,
  relay: Relay,
): ReadonlyMap<string, Upstream> {
  return new Map([...(named ?? [])].map(([name, upstream]) => [name, relay.openUpstream(upstream)]))
}

class OpenGateway implements Gateway {
  readonly #relay: Relay
  readonly #verifier: Verifier
  readonly #routes: readonly ReadyRoute[]
  readonly #named: NamedParts
  readonly #unsubscribe: (() => void) | undefined

  constructor(parts: {
    readonly options: GatewayOptions
    readonly relay: Relay
    readonly routes: readonly ReadyRoute[]
    readonly named: NamedParts
  }) {
    this.#relay = parts.relay
    this.#verifier = parts.options.verifier
    this.#routes = parts.routes
    this.#named = parts.named
    const recheck = (): void => {
      this.recheckStreams()
    }
    this.#unsubscribe = parts.options.trust?.subscribe({ onEpoch: recheck, onCompromised: recheck })
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
    assignPolicies(this.#routes, policies, this.#named)
    assignCandidates(this.#routes, candidates)
  }

  recheckStreams(): number {
    return this.#relay.cutStreams((subject) => isKnownBad(this.#verifier, subject))
  }

  async close(): Promise<void> {
    this.#unsubscribe?.()
    await this.#relay.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
