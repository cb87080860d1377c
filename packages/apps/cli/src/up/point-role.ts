import type { GatewayOptions } from '@quantum-ip/enforce'
import { type Gateway, openForwardAuth, openGateway } from '@quantum-ip/enforce'
import type { Config } from '@quantum-ip/http'

/** The enforcement points that are nothing else: roles of `qip serve`. */
export const servedRoles = ['gateway', 'forward-auth', 'ext-authz'] as const

/** The enforcement points that this program runs as servers. */
export const pointRoles = [...servedRoles, 'sidecar'] as const

/** One of them. */
export type PointRole = (typeof pointRoles)[number]

/** Whether a role is one of {@link servedRoles}. */
export function isServedRole(role: string): role is (typeof servedRoles)[number] {
  return (servedRoles as readonly string[]).includes(role)
}

/**
 * The configuration of a point where a gateway's stands, so that everything around it is one program: telemetry, records, fleet,
 * threads, replay memory. What a point does not say is the gateway's: limits, overload, quarantine.
 */
export function configOf(config: Config, role: PointRole): Config {
  if (role === 'gateway') return config
  if (role === 'sidecar') return sidecarConfig(config)
  const { name, listen, tls, threads, detail, routes } = config[sections[role]]
  return {
    ...config,
    gateway: {
      ...config.gateway,
      name,
      listen,
      threads,
      detail,
      clientCertificates: role === 'forward-auth' ? config.forwardAuth.clientCertificates : undefined,
      tls: tls && { ...tls, client: undefined },
      probes: false,
      retries: { ...config.gateway.retries, proxies: [] },
      routes: routes.map(goesNowhere),
      flows: [],
    },
  }
}

function sidecarConfig(config: Config): Config {
  const { name, service, upstream, listen, tls, detail, policy, standalone, exempt } = config.sidecar
  const isDeclared = service === undefined || config.services.some(({ id }) => id === service)
  return {
    ...config,
    services: isDeclared ? config.services : [...config.services, { id: service, ...undeclared }],
    gateway: {
      ...config.gateway,
      name,
      listen,
      // Calls that come in, and those that go out for them, meet in one memory.
      threads: 1,
      detail,
      tls: tls && { ...tls, client: undefined },
      routes:
        service === undefined || upstream === undefined
          ? []
          : [{ ...everything, service, upstream, policy, standalone, exempt }],
      flows: [],
    },
  }
}

const undeclared = {
  owner: undefined,
  tier: 'standard',
  stage: 'enforced',
  acceptDomainAudience: false,
} as const

const everything = {
  match: { host: undefined, path: '/', methods: undefined },
  upstreamCaFile: undefined,
  quarantineUpstream: undefined,
  forwardToken: false,
} as const

// Where requests go is the proxy's business.
function goesNowhere(
  route: Config['forwardAuth' | 'extAuthz']['routes'][number],
): Config['gateway']['routes'][number] {
  return { ...route, upstream: '', upstreamCaFile: undefined, quarantineUpstream: undefined }
}

// The keys of the configuration under which points stand that proxies ask.
const sections = { 'forward-auth': 'forwardAuth', 'ext-authz': 'extAuthz' } as const

/** What a point needs of a server. */
export type PointServer = Pick<Gateway, 'addresses' | 'usePolicies' | 'close'>

/** Opens the server of a point. */
export function openPointServer(
  role: PointRole,
  config: Config,
  options: GatewayOptions,
): Promise<PointServer> {
  if (role === 'gateway' || role === 'sidecar') return openGateway(options)
  if (role === 'ext-authz') return openExtAuthzServer(config, options)
  const { peers, routes } = config.forwardAuth
  return openForwardAuth({
    ...options,
    ...(peers !== undefined && { peers }),
    routes: options.routes.map(({ upstream: _upstream, quarantineUpstream: _quarantine, ...route }, at) => ({
      ...route,
      quarantine: routes[at]?.quarantine,
      bodyBytesHeld: routes[at]?.bodyBytesHeld,
    })),
  })
}

async function openExtAuthzServer(config: Config, options: GatewayOptions): Promise<PointServer> {
  // Whoever does not need gRPC does not load it.
  const { openExtAuthz } = await import('@quantum-ip/enforce/ext-authz')
  const { peers, routes, clientCertificates, drainMs, messageBytesMax } = config.extAuthz
  return openExtAuthz({
    ...options,
    ...(peers !== undefined && { peers }),
    clientCertificates,
    drainMs,
    messageBytesMax,
    routes: options.routes.map(({ upstream: _upstream, quarantineUpstream: _quarantine, ...route }, at) => ({
      ...route,
      name: routes[at]?.name,
      onlyByName: routes[at]?.onlyByName,
      quarantine: routes[at]?.quarantine,
    })),
  })
}
