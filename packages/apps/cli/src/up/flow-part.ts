import {
  type FlowGateway,
  type FlowGatewayOptions,
  type FlowObserver,
  type FlowRoute,
  type GatewayOptions,
  openFlowGateway,
} from '@quantum-ip/enforce'
import type { Config } from '@quantum-ip/http'
import { type FlowMetricsObserver, flowObserver, otherValue } from '@quantum-ip/telemetry'
import { deepModeOf } from './deep-checks.ts'
import type { GatewayPartOptions } from './gateway-part.ts'

/** The flows of one thread of a gateway. */
export interface FlowPart {
  readonly flows: FlowGateway
  /** Sets the gauge to what is true now. */
  refresh(): void
}

/** Opens the flows of a gateway, beside its routes and with the same parts. */
export async function openFlowPart(part: GatewayPartOptions, gateway: GatewayOptions): Promise<FlowPart> {
  const { config, metrics, sharesPort } = part
  const counted = flowObserver({ metrics, point: config.gateway.name })
  const { limits } = config.gateway
  const options: FlowGatewayOptions = {
    ...sharedParts(gateway),
    flows: config.gateway.flows.map((flow) => routeOf(flow, config, sharesPort)),
    observer: observerOf(part, counted),
    connectionsMax: limits.connectionsMax,
    timeouts: { connectMs: limits.connectTimeoutMs, stopMs: limits.stopDeadlineMs },
  }
  const flows = await openFlowGateway(options)
  return { flows, refresh: () => counted.refresh({ open: flows.inFlight }) }
}

/**
 * Counts what becomes of connections besides decisions, and tells it.
 *
 * Those that were closed for want of a header or a listed peer leave no record: nothing is known about them. At most one line in ten seconds is
 * told for each flow and cause, or whoever connects could fill the log.
 */
function observerOf({ config, onEvent }: GatewayPartOptions, counted: FlowMetricsObserver): FlowObserver {
  const services = new Map(config.gateway.flows.map(({ name, service }) => [name, service]))
  const told = new Map<string, number>()
  const tell = (cause: string, flow: string): void => {
    const nowMs = performance.now()
    const key = `${flow} ${cause}`
    if (nowMs - (told.get(key) ?? Number.NEGATIVE_INFINITY) < 10_000) return
    told.set(key, nowMs)
    onEvent(`gateway: flow ${flow} closed a connection: ${cause}`)
  }
  return {
    refused(cause, flow) {
      counted.refused(cause, services.get(flow) ?? otherValue)
      tell(cause, flow)
    },
    cut: (cause, flow) => counted.cut(cause, services.get(flow) ?? otherValue),
  }
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

function routeOf(flow: Config['gateway']['flows'][number], config: Config, sharesPort: boolean): FlowRoute {
  const service = config.services.find(({ id }) => id === flow.service)
  return {
    ...flow,
    listen: { ...flow.listen, reusePort: sharesPort },
    accept: { reference: true },
    deep: deepModeOf(config, flow.service),
    tier: service?.tier,
    stage: service?.stage,
  }
}
