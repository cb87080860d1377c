import {
  type FlowGateway,
  type FlowGatewayOptions,
  type GatewayOptions,
  openFlowGateway,
} from '@quantum-ip/enforce'
import type { Config } from '@quantum-ip/http'
import { deepModeOf } from './deep-checks.ts'
import type { GatewayPartOptions } from './gateway-part.ts'

/**
 * Opens the flows of a gateway, beside its routes and with the same parts.
 *
 * Connections that were closed for want of a header or a listed peer leave no record: nothing is known about them. They are told, at most one
 * line in ten seconds for each flow and cause, or whoever connects could fill the log.
 */
export function openFlowPart(
  { config, sharesPort, onEvent }: GatewayPartOptions,
  gateway: GatewayOptions,
): Promise<FlowGateway> {
  const told = new Map<string, number>()
  const tell = (cause: string, flow: string): void => {
    const nowMs = performance.now()
    const key = `${flow} ${cause}`
    if (nowMs - (told.get(key) ?? Number.NEGATIVE_INFINITY) < 10_000) return
    told.set(key, nowMs)
    onEvent(`gateway: flow ${flow} closed a connection: ${cause}`)
  }
  const { limits } = config.gateway
  const options: FlowGatewayOptions = {
    ...sharedParts(gateway),
    flows: config.gateway.flows.map((flow) => ({
      ...flow,
      listen: { ...flow.listen, reusePort: sharesPort },
      ...serviceOf(config, flow.service),
      accept: { reference: true },
      deep: deepModeOf(config, flow.service),
    })),
    observer: { refused: tell },
    connectionsMax: limits.connectionsMax,
    timeouts: { connectMs: limits.connectTimeoutMs, stopMs: limits.stopDeadlineMs },
  }
  return openFlowGateway(options)
}

// What says nothing of HTTP.
function sharedParts({
  listeners: _listeners,
  routes: _routes,
  limits: _limits,
  timeouts: _timeouts,
  observer: _observer,
  ...shared
}: GatewayOptions): Omit<GatewayOptions, 'listeners' | 'routes' | 'limits' | 'timeouts' | 'observer'> {
  return shared
}

function serviceOf(
  { services }: Config,
  id: string,
): Pick<FlowGatewayOptions['flows'][number], 'tier' | 'stage'> {
  const service = services.find((each) => each.id === id)
  return { tier: service?.tier, stage: service?.stage }
}
