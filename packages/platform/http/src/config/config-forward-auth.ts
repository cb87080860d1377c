import type { ForwardedCertificatesConfig, ListenConfig, RouteConfig, TlsConfig } from './config.ts'

/** Forward authentication: the endpoint that proxies ask. */
export interface ForwardAuthConfig {
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
  /** How proxies say which certificate a client showed to them. */
  readonly clientCertificates: ForwardedCertificatesConfig | undefined
  readonly routes: readonly ForwardRouteConfig[]
}

/** One route of forward authentication. */
export interface ForwardRouteConfig extends AskedRouteConfig {
  /** Bodies up to this size are held, where the proxy sends them. */
  readonly bodyBytesHeld: number
}

/** One route of a point that proxies ask. Where its requests go is the proxy's business. */
export interface AskedRouteConfig extends Omit<
  RouteConfig,
  'upstream' | 'upstreamCaFile' | 'quarantineUpstream'
> {
  /** What becomes of quarantined requests. */
  readonly quarantine: 'limited' | 'routed'
}
