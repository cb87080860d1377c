import type { CompiledPolicy } from '@quantum-ip/policy'
import { reservedNames } from '@quantum-ip/point'
import { ForwardedCertificates } from '../gateway/forwarded-certificates.ts'
import type { BoundAddress } from '../gateway/listener.ts'
import { parseTrustedPeers } from '../gateway/peers.ts'
import { type Relay, openRelay } from '../gateway/relay.ts'
import { compileRoutes } from '../gateway/route-table.ts'
import { peersHere } from '../question/question-options.ts'
import { QuestionRoutes } from '../question/question-routes.ts'
import { forwardProblem } from './forward-answer.ts'
import type { ForwardAuthOptions } from './forward-auth-options.ts'
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
  const certificates = new ForwardedCertificates(options.listeners)
  const ready = Promise.withResolvers<ForwardGuard>()
  let guard: ForwardGuard | undefined
  const relay = await openRelay({
    ...options,
    name: options.point,
    reserved: [...reservedNames, ...certificates.fields],
    // An upgrade that is asked about is a question like any other.
    upgrades: [],
    problem: forwardProblem,
    guard: (head) => guard?.judge(head) ?? ready.promise.then((opened) => opened.judge(head)),
  })
  try {
    const asked = new QuestionRoutes(options, { load: relay.load, inFlightMax: relay.limits.inFlightMax })
    guard = new ForwardGuard({
      guard: asked.guard,
      peers,
      certificates,
      routes: compileRoutes(asked.routes),
      exactPaths: options.ambiguousPaths === 'exact',
    })
    ready.resolve(guard)
    return new OpenForwardAuth(relay, asked)
  } catch (error) {
    await relay.close()
    throw error
  }
}

class OpenForwardAuth implements ForwardAuth {
  readonly #relay: Relay
  readonly #asked: QuestionRoutes

  constructor(relay: Relay, asked: QuestionRoutes) {
    this.#relay = relay
    this.#asked = asked
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
    this.#asked.usePolicies(policies, candidates)
  }

  close(): Promise<void> {
    return this.#relay.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
