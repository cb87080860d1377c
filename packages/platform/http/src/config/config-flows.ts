import type { ServiceId } from '@quantum-ip/base'
import type { ListenConfig } from './config.ts'

/** Connections of any protocol that arrive at an address, for one service. */
export interface FlowConfig {
  readonly name: string
  readonly listen: ListenConfig
  readonly service: ServiceId
  readonly upstream: ListenConfig
  /** Where quarantined connections go; absent: they are closed. */
  readonly quarantineUpstream: ListenConfig | undefined
  /** The name of a policy; absent: the built-in one, which rejects. */
  readonly policy: string | undefined
  /** Addresses and CIDR blocks. */
  readonly peers: readonly string[]
  readonly send: 'proxy-v2' | 'none'
  /** In which neither side says anything. */
  readonly idleTimeoutMs: number
}
