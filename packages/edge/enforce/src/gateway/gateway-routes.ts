import { type GatewayOptions, type GatewayRoute } from './gateway-options.ts'
import type { Relay } from './relay.ts'
import { type GuardedRoute, guardedRoute } from './route-setup.ts'
import { type Upstream, type UpstreamOptions } from './upstream.ts'

/** A route of the gateway with its upstreams. */
export interface ReadyRoute extends GuardedRoute<GatewayRoute> {
  readonly upstream: Upstream
  readonly quarantineUpstream: Upstream | undefined
}

/**
 * Makes the routes of a gateway ready. Routes to one address share its connections and its limit.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_UPSTREAM_INVALID`
 */
export function readyRoutes(options: GatewayOptions, relay: Relay): readonly ReadyRoute[] {
  const opened = new Map<UpstreamOptions, Upstream>()
  const plain = new Map<string, Upstream>()
  const open = (wanted: UpstreamOptions): Upstream => {
    const isPlain = Object.keys(wanted).length === 1
    const known = isPlain ? plain.get(wanted.url) : opened.get(wanted)
    if (known !== undefined) return known
    const upstream = relay.openUpstream(wanted)
    if (isPlain) plain.set(wanted.url, upstream)
    else opened.set(wanted, upstream)
    return upstream
  }
  return options.routes.map((route) => {
    // One object: the environment of a route reads the mode of the policy that is in place there.
    return Object.assign(guardedRoute(route, options, relay.load), {
      upstream: open(route.upstream),
      quarantineUpstream: route.quarantineUpstream && open(route.quarantineUpstream),
    })
  })
}
