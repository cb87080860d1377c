import type { ServiceId } from '@quantum-ip/base'
import type { ExemptConfig, ListenConfig, TlsConfig } from './config.ts'

/** The sidecar of one service. */
export interface SidecarConfig {
  /** The name of this enforcement point, in metrics and decision IDs. */
  readonly name: string
  /** The service beside which it runs; `qip sidecar` needs it. */
  readonly service: ServiceId | undefined
  /** Where that listens; absent: nobody calls it. */
  readonly upstream: string | undefined
  readonly listen: ListenConfig
  readonly tls: TlsConfig | undefined
  readonly detail: 'public' | 'internal'
  readonly policy: string | undefined
  readonly standalone: boolean
  readonly exempt: readonly ExemptConfig[]
  readonly outbound: OutboundConfig
  readonly workload: WorkloadApiConfig
  readonly tokens: SidecarTokensConfig
  readonly calls: SidecarCallsConfig
}

/** Calls of the service to others. */
export interface OutboundConfig {
  readonly listen: ListenConfig
  /** Algorithm of the key that tokens with proof are bound to. */
  readonly proofKey: 'ML-DSA-44' | 'Ed25519' | 'ES256'
  readonly destinations: readonly DestinationConfig[]
}

/** A service that is called. */
export interface DestinationConfig {
  /** The Host of the application's requests: in lower case, with its port unless it is 80. */
  readonly host: string
  readonly service: ServiceId
  readonly upstream: string
  readonly upstreamCaFile: string | undefined
  readonly oneTime: boolean
  /** Whether tokens are bound to a key of this process. */
  readonly proof: boolean
  /** Whether calls name the callers before. */
  readonly chain: 'kept' | 'required' | 'none'
}

/** The workload API. */
export interface WorkloadApiConfig {
  readonly socket: string
  /** Permission bits. */
  readonly socketMode: number
  /** Number of the group that the socket belongs to; absent: that of the process. */
  readonly socketGroup: number | undefined
  readonly connectionsMax: number
  readonly inFlightMax: number
}

/** What tokens are held. */
export interface SidecarTokensConfig {
  /** Audiences whose tokens are held from the start, beside those of destinations. */
  readonly warm: readonly ServiceId[]
  /** Audiences beside those. */
  readonly audiencesMax: number
  readonly drawFirst: number
  readonly drawMax: number
  /** 0..1 */
  readonly lowWater: number
}

/** Inbound calls that are remembered. */
export interface SidecarCallsConfig {
  readonly heldMax: number
  readonly lifetimeMs: number
}
