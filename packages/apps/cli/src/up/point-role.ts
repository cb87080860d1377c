import type { GatewayOptions } from '@quantum-ip/enforce'
import { type Gateway, openForwardAuth, openGateway } from '@quantum-ip/enforce'
import type { Config } from '@quantum-ip/http'

/** The enforcement points that this program runs as servers. */
export const pointRoles = ['gateway', 'forward-auth'] as const

/** One of them. */
export type PointRole = (typeof pointRoles)[number]

/**
 * The configuration of a point where a gateway's stands, so that everything around it is one program: telemetry, records, fleet,
 * threads, replay memory. What a point does not say is the gateway's: limits, overload, quarantine.
 */
export function configOf(config: Config, role: PointRole): Config {
  if (role === 'gateway') return config
  const { name, listen, tls, threads, detail, routes } = config.forwardAuth
  return {
    ...config,
    gateway: {
      ...config.gateway,
      name,
      listen,
      threads,
      detail,
      tls: tls && { ...tls, client: undefined },
      probes: false,
      retries: { ...config.gateway.retries, proxies: [] },
      routes: routes.map(goesNowhere),
      flows: [],
    },
  }
}

// Where requests go is the proxy's business.
function goesNowhere(route: Config['forwardAuth']['routes'][number]): Config['gateway']['routes'][number] {
  return { ...route, upstream: '', upstreamCaFile: undefined, quarantineUpstream: undefined }
}

/** What a point needs of a server. */
export type PointServer = Pick<Gateway, 'addresses' | 'usePolicies' | 'close'>

/** Opens the server of a point. */
export function openPointServer(
  role: PointRole,
  config: Config,
  options: GatewayOptions,
): Promise<PointServer> {
  if (role === 'gateway') return openGateway(options)
  const { peers, routes } = config.forwardAuth
  return openForwardAuth({
    ...options,
    ...(peers !== undefined && { peers }),
    routes: options.routes.map(({ upstream: _upstream, quarantineUpstream: _quarantine, ...route }, at) => ({
      ...route,
      quarantine: routes[at]?.quarantine,
    })),
  })
}
