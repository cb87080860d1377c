import type { ListenConfig, TlsConfig } from './config.ts'
import type { AskedRouteConfig } from './config-forward-auth.ts'

/** Envoy's ext_authz over gRPC: the server that Envoy asks. */
export interface ExtAuthzConfig {
  /** The name of this enforcement point, in metrics and decision IDs. */
  readonly name: string
  readonly listen: ListenConfig
  readonly tls: TlsConfig | undefined
  /** Threads on one port; `auto` is one per core. */
  readonly threads: number | 'auto'
  /** How much a refusal says to callers that are not authenticated. */
  readonly detail: 'public' | 'internal'
  /** Who may ask: addresses, CIDR blocks, `unix`. Absent: this machine. */
  readonly peers: readonly string[] | undefined
  /** Where the certificate of the client is read. Absent: nowhere. */
  readonly clientCertificates: 'peer' | 'xfcc' | undefined
  /** Bytes of one question, its body included. */
  readonly messageBytesMax: number
  /** How long a server that stops goes on answering, having said so. */
  readonly drainMs: number
  readonly routes: readonly ExtAuthzRouteConfig[]
}

/** One route of ext_authz. Where its requests go is Envoy's business. */
export interface ExtAuthzRouteConfig extends AskedRouteConfig {
  /** What `context_extensions` of Envoy's route may name it by. Absent: host and path. */
  readonly name: string | undefined
  /** Counts only where it is named. */
  readonly onlyByName: boolean
}
