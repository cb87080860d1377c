import type { CompiledPolicy } from '@quantum-ip/policy'
import type { BoundAddress } from '../gateway/listener.ts'
import { parseTrustedPeers } from '../gateway/peers.ts'
import { parseNumbers, relayLimits, relayTimeouts } from '../gateway/relay-options.ts'
import { SharedLoad, allocateLoadMemory } from '@quantum-ip/point'
import { peersHere } from '../question/question-options.ts'
import { QuestionRoutes } from '../question/question-routes.ts'
import { CheckGuard } from './check-guard.ts'
import { type CheckServer, authorizationName, openCheckServer } from './check-server.ts'
import type { ExtAuthzOptions } from './ext-authz-options.ts'
import { Health } from './health.ts'
import { RouteChoice } from './route-choice.ts'

/** A running server of `envoy.service.auth.v3.Authorization`. */
export interface ExtAuthz {
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
  /**
   * Stops gracefully: says `NOT_SERVING`, goes on for `drainMs`, then accepts nothing more, lets calls finish for `timeouts.stopMs`, and cuts
   * the rest.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the server that Envoy's `ext_authz` asks over gRPC: `envoy.service.auth.v3.Authorization` and `grpc.health.v1.Health`.
 *
 * It decides as forward authentication does, for the same kind of routes, and tells more: fields to set and to take off, the gateway's own
 * refusals, and dynamic metadata. Asking over HTTP is cheaper by far (`openForwardAuth`).
 *
 * Closed by default: who is not listed, what is no question or has two readings, no route, a guard that fails and too much load
 * end in a refusal.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_ROUTE_CONFLICT`, `QIP_ENFORCE_OPTION_INVALID`,
 * `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openExtAuthz(options: ExtAuthzOptions): Promise<ExtAuthz> {
  const limits = parseNumbers('limits', relayLimits, options.limits)
  const { stopMs } = parseNumbers('timeouts', relayTimeouts, options.timeouts)
  const own = { drainMs: options.drainMs ?? 0, messageBytesMax: options.messageBytesMax ?? 4_194_304 }
  const { drainMs, messageBytesMax } = parseNumbers('extAuthz', own, undefined)
  const load = options.load ?? new SharedLoad(allocateLoadMemory({ threads: 1 }), 0)
  const asked = new QuestionRoutes(options, { load, inFlightMax: limits.inFlightMax })
  const guard = new CheckGuard({
    options,
    guard: asked.guard,
    choice: new RouteChoice(asked.routes),
    peers: parseTrustedPeers(options.peers ?? peersHere, 'peers'),
    inFlight: load.counter('in flight'),
    inFlightMax: limits.inFlightMax,
    fieldsMax: limits.fieldsMax,
  })
  const health = new Health([authorizationName], () => options.verifier.ready())
  const servers: CheckServer[] = []
  const connections = load.counter('connections')
  try {
    for (const listener of options.listeners)
      servers.push(await openCheckServer({ listener, guard, health, limits, messageBytesMax, connections }))
  } catch (error) {
    await Promise.all(servers.map((server) => server.close(0)))
    throw error
  }
  return new OpenExtAuthz({ asked, guard, health, servers }, { drainMs, stopMs })
}

interface Parts {
  readonly asked: QuestionRoutes
  readonly guard: CheckGuard
  readonly health: Health
  readonly servers: readonly CheckServer[]
}

interface StopTerms {
  readonly drainMs: number
  readonly stopMs: number
}

class OpenExtAuthz implements ExtAuthz {
  readonly #parts: Parts
  readonly #terms: StopTerms
  #closing: Promise<void> | undefined

  constructor(parts: Parts, terms: StopTerms) {
    this.#parts = parts
    this.#terms = terms
  }

  get addresses(): readonly BoundAddress[] {
    return this.#parts.servers.map(({ address }) => address)
  }

  get inFlight(): number {
    return this.#parts.guard.inFlight
  }

  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void {
    this.#parts.asked.usePolicies(policies, candidates)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { health, servers } = this.#parts
    const { drainMs, stopMs } = this.#terms
    health.stop()
    await unconnected(servers, drainMs)
    health.close()
    await Promise.all(servers.map((server) => server.close(stopMs)))
  }
}

// Stopping is rare and short: looking is simpler than being told.
async function unconnected(servers: readonly CheckServer[], timeoutMs: number): Promise<void> {
  const stepMs = 50
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += stepMs) {
    if (servers.every(({ connections }) => connections === 0)) return
    await new Promise((resolve) => {
      setTimeout(resolve, stepMs)
    })
  }
}
