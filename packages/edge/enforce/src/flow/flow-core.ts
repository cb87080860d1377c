import type { EnforcementPoint, OpenStreams, PointRoute } from '@quantum-ip/point'
import type { CompiledPolicy } from '@quantum-ip/policy'
import type { TrustedPeers } from '../gateway/peers.ts'
import type { FlowAddress, FlowObserver, FlowRoute, FlowTimeouts } from './flow-gateway-options.ts'

/** The route of a flow, whose policies may be replaced between two connections. */
export interface FlowPointRoute extends PointRoute {
  readonly terms: FlowRoute
  policy: CompiledPolicy
  candidate: CompiledPolicy | undefined
}

/** A flow with everything that a connection of it needs, looked up once. */
export interface ReadyFlow {
  readonly route: FlowPointRoute
  readonly peers: TrustedPeers
  readonly upstream: FlowAddress
  readonly quarantineUpstream: FlowAddress | undefined
  readonly send: FlowRoute['send']
  /** 0: for ever. */
  readonly idleMs: number
}

/** What the connections of one flow gateway share. */
export interface FlowCore {
  readonly point: EnforcementPoint
  readonly open: OpenStreams
  readonly observer: FlowObserver
  readonly timeouts: FlowTimeouts
  readonly toleranceMs: number
}
