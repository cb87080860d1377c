import { type Server, type Socket, createServer } from 'node:net'
import { nearest, systemClock } from '@quantum-ip/base'
import {
  allocateLoadMemory,
  EnforcementPoint,
  isKnownBad,
  type LoadCounter,
  OpenStreams,
  routeEnvironment,
  SharedLoad,
} from '@quantum-ip/point'
import { type CompiledPolicy, builtinPolicy } from '@quantum-ip/policy'
import { EnforceError } from '../enforce-errors.ts'
import { priorityOf } from '../gateway/load-gate.ts'
import { parseTrustedPeers } from '../gateway/peers.ts'
import { parseNumbers } from '../gateway/relay-options.ts'
import { takeFlow } from './flow-connection.ts'
import type { FlowCore, FlowPointRoute, ReadyFlow } from './flow-core.ts'
import {
  type FlowAddress,
  type FlowGatewayOptions,
  type FlowRoute,
  flowTimeouts,
} from './flow-gateway-options.ts'

/** A running gateway of flows. */
export interface FlowGateway {
  /** Where it listens, in the order of the flows. */
  readonly addresses: readonly FlowAddress[]
  /** Connections in this thread. */
  readonly inFlight: number
  /**
   * Takes new policies, all or none, for connections that arrive from now on.
   *
   * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`; the former ones stay.
   */
  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void
  /** Asks again about every open connection, and cuts those whose token no longer holds. Returns how many. */
  recheckStreams(): number
  /** Accepts nothing more, waits for `stopMs`, and cuts what is left. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a gateway for flows: connections of any protocol, whose caller is verified when they begin.
 *
 * Closed by default: a peer that is not listed, no header of the PROXY protocol's version 2, a token that is none, a flow without a policy end in a
 * closed connection. A decision counts for the life of the connection, which ends with the token or when that is revoked.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_OPTION_INVALID`, `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openFlowGateway(options: FlowGatewayOptions): Promise<FlowGateway> {
  const load = options.load ?? new SharedLoad(allocateLoadMemory({ threads: 1 }), 0)
  const core: FlowCore = {
    point: new EnforcementPoint({ ...options, verifier: options.verifier }),
    open: new OpenStreams(load.counter('flows open')),
    observer: options.observer ?? {},
    timeouts: parseNumbers('timeouts', flowTimeouts, options.timeouts),
    toleranceMs: (options.clockToleranceS ?? 30) * 1_000,
  }
  const flows = options.flows.map((flow) => readyFlow(options, flow, core.timeouts.idleMs))
  const gateway = new OpenFlowGateway(options, core, flows)
  gateway.usePolicies(options.policies, options.candidates)
  try {
    await gateway.listen(load.counter('flow connections'))
  } catch (error) {
    await gateway.close()
    throw error
  }
  return gateway
}

function readyFlow(options: FlowGatewayOptions, flow: FlowRoute, idleMs: number): ReadyFlow {
  const route: FlowPointRoute = {
    name: flow.name,
    terms: flow,
    priority: priorityOf(flow.tier),
    environment: routeEnvironment(options, flow, () => route.policy.document.mode),
    policy: builtinPolicy,
    candidate: undefined,
  }
  if (flow.peers.length === 0) {
    const reason = 'nobody may connect: it lists no peers'
    throw new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route: flow.name, reason })
  }
  const { upstream, quarantineUpstream, send } = flow
  return {
    route,
    peers: parseTrustedPeers(flow.peers),
    upstream,
    quarantineUpstream,
    send,
    idleMs: flow.idleTimeoutMs ?? idleMs,
  }
}

class OpenFlowGateway implements FlowGateway {
  readonly #options: FlowGatewayOptions
  readonly #core: FlowCore
  readonly #flows: readonly ReadyFlow[]
  readonly #servers: Server[] = []
  readonly #sweep: NodeJS.Timeout
  readonly #unsubscribe: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(options: FlowGatewayOptions, core: FlowCore, flows: readonly ReadyFlow[]) {
    this.#options = options
    this.#core = core
    this.#flows = flows
    const clock = options.clock ?? systemClock
    this.#sweep = setInterval(() => core.open.cutEnded(clock.now()), core.timeouts.sweepMs).unref()
    const recheck = (): void => {
      this.recheckStreams()
    }
    this.#unsubscribe = options.trust?.subscribe({ onEpoch: recheck, onCompromised: recheck })
  }

  get addresses(): readonly FlowAddress[] {
    return this.#servers.map((server) => {
      const bound = server.address()
      return bound === null || typeof bound === 'string'
        ? { host: '', port: 0 }
        : { host: bound.address, port: bound.port }
    })
  }

  get inFlight(): number {
    return this.#core.open.size
  }

  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void {
    const found = this.#flows.map(({ route }) => policyOf(route.terms, policies))
    for (const [at, { route }] of this.#flows.entries()) {
      route.policy = found[at] ?? builtinPolicy
      route.candidate = candidates?.get(route.terms.policy ?? '')
    }
  }

  recheckStreams(): number {
    const { verifier } = this.#options
    return this.#core.open.cutRevoked((subject) => isKnownBad(verifier, subject))
  }

  async listen(connections: LoadCounter): Promise<void> {
    for (const flow of this.#flows) {
      const take = (socket: Socket): void => {
        this.#take(flow, socket, connections)
      }
      const server = createServer({ allowHalfOpen: true, noDelay: true }, take)
      this.#servers.push(server)
      await listenAt(server, flow.route.terms.listen)
    }
  }

  #take(flow: ReadyFlow, socket: Socket, connections: LoadCounter): void {
    if (!connections.enter(this.#options.connectionsMax ?? 10_000)) {
      this.#core.observer.refused?.('overloaded', flow.route.name)
      socket.destroy()
      return
    }
    socket.on('close', () => connections.leave())
    takeFlow(this.#core, flow, socket)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#unsubscribe?.()
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    )
    const stepMs = 20
    for (let waitedMs = 0; this.inFlight > 0 && waitedMs < this.#core.timeouts.stopMs; waitedMs += stepMs) {
      await new Promise((resolve) => setTimeout(resolve, stepMs))
    }
    this.#core.open.cutAll()
    clearInterval(this.#sweep)
    await Promise.all(closed)
  }
}

function policyOf(
  { name: route, policy: name }: FlowRoute,
  policies: ReadonlyMap<string, CompiledPolicy>,
): CompiledPolicy {
  if (name === undefined) return builtinPolicy
  const policy = policies.get(name)
  if (policy !== undefined) return policy
  const meant = nearest(name, policies.keys())
  const reason = `there is no policy \`${name}\`${meant === undefined ? '' : `; there is \`${meant}\``}`
  throw new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route, reason })
}

function listenAt(server: Server, { host, port, reusePort = false }: FlowRoute['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const details = { address: `${host}:${port}`, reason: cause.code ?? 'unknown' }
      reject(new EnforceError('QIP_ENFORCE_LISTEN_FAILED', details, { cause }))
    })
    server.listen({ host, port, reusePort, backlog: 1_024 }, () => {
      server.removeAllListeners('error')
      // Accepting can fail later, for want of descriptors: the connection is lost, the listener is not.
      server.on('error', () => {})
      resolve()
    })
  })
}
