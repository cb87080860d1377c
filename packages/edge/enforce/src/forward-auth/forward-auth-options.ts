import type { GatewayOptions } from '../gateway/gateway-options.ts'
import type { RouteTerms } from '../gateway/route-setup.ts'

/** One route: which requests, for which service, by which policy. Where they go is the proxy's business. */
export interface ForwardRoute extends RouteTerms {
  /**
   * What becomes of quarantined requests. `limited` (default): as many as the policy's rate or share are let through, and a policy that
   * names an upstream is refused. `routed`: the proxy sends what is marked `Quantum-IP-Action: quarantine` elsewhere; nothing is counted.
   */
  readonly quarantine?: 'limited' | 'routed' | undefined
  /**
   * Proxies that send the body with their question: bodies up to this many bytes are held, so that tokens bound to the content can be
   * checked. Default 0.
   */
  readonly bodyBytesHeld?: number | undefined
}

/** What {@link openForwardAuth} needs. All parts are passed in. */
export interface ForwardAuthOptions extends Omit<
  GatewayOptions,
  | 'routes'
  | 'quarantineUpstreams'
  | 'probes'
  | 'retries'
  | 'trust'
  | 'clockToleranceS'
  | 'trustedProxies'
  | 'upgrades'
  | 'problem'
> {
  readonly routes: readonly ForwardRoute[]
  /**
   * Who may ask: addresses, CIDR blocks or `unix`. What they say about the original request is believed, so these are proxies of yours and
   * nobody else. Default: this machine (loopback and Unix sockets).
   */
  readonly peers?: readonly string[]
}

/** Who may ask where nobody is named. */
export const peersHere: readonly string[] = ['127.0.0.0/8', '::1', 'unix']
