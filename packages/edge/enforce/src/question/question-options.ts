import type { GatewayOptions } from '../gateway/gateway-options.ts'
import type { RouteTerms } from '../gateway/route-setup.ts'

/** One route of a point that is asked: which requests, for which service, by which policy. Where they go is the proxy's business. */
export interface QuestionRoute extends RouteTerms {
  /**
   * What becomes of quarantined requests. `limited` (default): as many as the policy's rate or share are let through, and a policy that
   * names an upstream is refused. `routed`: the proxy sends what is marked as quarantined elsewhere; nothing is counted.
   */
  readonly quarantine?: 'limited' | 'routed' | undefined
}

/** What every point that is asked needs. All parts are passed in. */
export interface QuestionOptions extends Omit<
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
  readonly routes: readonly QuestionRoute[]
  /**
   * Who may ask: addresses, CIDR blocks or `unix`. What they say about the original request is believed, so these are proxies of yours and
   * nobody else. Default: this machine (loopback and Unix sockets).
   */
  readonly peers?: readonly string[]
}

/** Who may ask where nobody is named. */
export const peersHere: readonly string[] = ['127.0.0.0/8', '::1', 'unix']

/** Says that somebody asked who is not among them; `option` is what to change. */
export function peerUnknown(option: string) {
  return {
    status: 403,
    title: 'questions are taken from known proxies only',
    code: 'peer_unknown',
    next: `add the address of the proxy to \`${option}\``,
  }
}
