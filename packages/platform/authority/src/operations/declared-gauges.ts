import { incidentSeverities, type Metrics, otherValue, windowKinds } from '@quantum-ip/telemetry'
import type { Declared } from './declared-view.ts'
import { windowStateAt } from './windows.ts'

/**
 * Sets the gauges of incidents and windows: every series, also those at zero, so that a rule that silences by them finds them.
 *
 * A window for a service that this process does not know is left out: it would land under `other`, and silence all services.
 */
export function setDeclaredGauges(metrics: Metrics, { incidents, windows }: Declared, nowMs: number): void {
  const open = metrics.gauge('incident_open')
  const severityPlace = open.places(0)
  for (const severity of incidentSeverities) {
    const count = incidents.filter((incident) => incident.severity === severity).length
    open.set(severityPlace(severity), count)
  }
  const gauge = metrics.gauge('window_open')
  const [servicePlace, kindPlace] = [gauge.places(0), gauge.places(1)]
  const all = servicePlace(otherValue)
  const now = windows.filter((window) => windowStateAt(window, nowMs) === 'open')
  for (const kind of windowKinds) {
    const ofKind = now.filter((window) => window.kind === kind)
    const covered = new Set(
      ofKind.flatMap(({ services }) => services.map((service) => servicePlace(service))),
    )
    covered.delete(all)
    if (ofKind.some(({ services }) => services.length === 0)) covered.add(all)
    for (let place = 0; place <= all; place++) {
      gauge.set(gauge.series([place, kindPlace(kind)]), covered.has(place) ? 1 : 0)
    }
  }
}
