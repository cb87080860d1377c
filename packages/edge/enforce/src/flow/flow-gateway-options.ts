import type { Clock, ServiceId } from '@quantum-ip/base'
import type { AcceptedForms, PointOptions, RevocationFeed, SharedLoad } from '@quantum-ip/point'
import type { CompiledPolicy } from '@quantum-ip/policy'
import type { DeepMode, Verifier } from '@quantum-ip/verifier'
import type { CutCause } from '../gateway/relay-observer.ts'
import type { ProxyRefusal } from './parse-proxy-header.ts'

/** An address and port. */
export interface FlowAddress {
  readonly host: string
  readonly port: number
}

/** One flow: connections that arrive at an address, for one service. */
export interface FlowRoute {
  /** In records and facts. */
  readonly name: string
  readonly listen: FlowAddress & { readonly reusePort?: boolean | undefined }
  /** The service behind it: what tokens must be for. */
  readonly service: ServiceId
  readonly upstream: FlowAddress
  /** Where quarantined connections go. Absent: they are closed. */
  readonly quarantineUpstream?: FlowAddress | undefined
  /** Name of a policy. Absent: the built-in one, which refuses everything that is not verified. */
  readonly policy?: string | undefined
  /** Addresses and CIDR blocks of those whose PROXY protocol header is read. Nobody else gets in. */
  readonly peers: readonly string[]
  /** What goes before the first byte to the upstream: who the caller is, or nothing. */
  readonly send: 'proxy-v2' | 'none'
  readonly accept?: AcceptedForms | undefined
  readonly deep?: DeepMode | undefined
  readonly tier?: string | undefined
  readonly stage?: 'observed' | 'onboarding' | 'enforced' | undefined
  /** Milliseconds in which neither side says anything. Default: that of the gateway. */
  readonly idleTimeoutMs?: number | undefined
}

/** Why a connection was closed before a byte of it reached an upstream, besides by the policy. */
export type FlowRefusal =
  | ProxyRefusal
  | 'peer_unlisted'
  | 'proxy_timeout'
  | 'proxy_truncated'
  | 'names_malformed'
  | 'names_contradict'
  | 'quarantine_closed'
  | 'overloaded'
  | 'upstream_unreachable'
  | 'defect'

/** Why an open connection was cut. */
export type FlowCut = Exclude<CutCause, 'client_idle' | 'body_too_large'> | 'idle'

/** Hears what becomes of connections, besides decisions. Its methods must be quick and must not throw. */
export interface FlowObserver {
  refused?(cause: FlowRefusal, flow: string): void
  cut?(cause: FlowCut, flow: string): void
}

/** Milliseconds. */
export interface FlowTimeouts {
  /** For the header to arrive. Default 5 s. */
  readonly headerMs: number
  /** To reach the upstream. Default 5 s. */
  readonly connectMs: number
  /** For which neither side says anything. Default 10 min; 0: for ever. */
  readonly idleMs: number
  /** For connections when it stops. Default 10 s. */
  readonly stopMs: number
  /** Between two looks for tokens that ended. Default 1 s. */
  readonly sweepMs: number
}

/** The time-outs that hold where none is given. */
export const flowTimeouts: FlowTimeouts = {
  headerMs: 5_000,
  connectMs: 5_000,
  idleMs: 600_000,
  stopMs: 10_000,
  sweepMs: 1_000,
}

/** What {@link openFlowGateway} needs. */
export interface FlowGatewayOptions extends Omit<PointOptions, 'verifier'> {
  /** Name of this enforcement point, in decision IDs and facts. */
  readonly point: string
  readonly region?: string | null
  readonly flows: readonly FlowRoute[]
  readonly verifier: Pick<Verifier, 'verify' | 'recheck'>
  readonly policies: ReadonlyMap<string, CompiledPolicy>
  readonly candidates?: ReadonlyMap<string, CompiledPolicy>
  /** Cuts open connections when a revocation takes effect. Without it they last until their token ends. */
  readonly trust?: RevocationFeed
  readonly incident?: () => boolean
  readonly observer?: FlowObserver
  readonly clock?: Clock
  /** Seconds that clocks may differ. Default 30. */
  readonly clockToleranceS?: number
  /** Connections, over all threads. Default 10,000. */
  readonly connectionsMax?: number
  readonly timeouts?: Partial<FlowTimeouts>
  /** Where the threads of a process count together. Default: this one alone. */
  readonly load?: SharedLoad
}
