import type { GatewayOptions } from '@quantum-ip/enforce'
import { SharedLoad } from '@quantum-ip/point'
import { openLoadShedder } from '@quantum-ip/http'
import { loadObserver } from '@quantum-ip/telemetry'
import type { GatewayPartOptions } from './gateway-part.ts'

/** What protects one thread of a gateway from more requests than it can serve. */
export interface LoadPart {
  /** What the gateway is opened with. */
  readonly gateway: Pick<GatewayOptions, 'load' | 'shedder' | 'onShed'>
  /** Sets the gauges to what is true now. */
  refresh(): void
  close(): void
}

/** Opens load shedding for the calling thread: its own delay, and limits that count over all threads. */
export function openLoadPart(
  options: Pick<GatewayPartOptions, 'config' | 'loadMemory' | 'metrics' | 'thread'>,
): LoadPart {
  const { config, loadMemory, metrics, thread } = options
  const load = new SharedLoad(loadMemory, thread)
  const inFlight = load.counter('in flight')
  const shedder = openLoadShedder(config.gateway.overload)
  const observer = loadObserver({ metrics, point: config.gateway.name })
  return {
    gateway: { load, shedder, onShed: (cause, service) => observer.shed(cause, service) },
    refresh: () =>
      observer.refresh({ delayMs: shedder.delayMs, shares: shedder.shares(), inFlight: inFlight.value }),
    close: () => shedder[Symbol.dispose](),
  }
}
