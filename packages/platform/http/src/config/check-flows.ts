import type { Config, ListenConfig } from './config.ts'
import type { FlowConfig } from './config-flows.ts'
import { checkPeers } from './check-peers.ts'
import type { ConfigFault } from './fault.ts'

/** Whether flows have services, names, addresses and peers of their own. */
export function checkFlows(config: Config): ConfigFault[] {
  const { authority, gateway, telemetry, services } = config
  const declared = new Set(services.map(({ id }) => id))
  const taken = new Set([authority.listen, gateway.listen, telemetry.listen].map(keyOf))
  const names = new Set<string>()
  const faults: ConfigFault[] = []
  for (const [index, flow] of gateway.flows.entries()) {
    const path = ['gateway', 'flows', index]
    if (!declared.has(flow.service)) {
      const next = `add \`- id: ${flow.service}\` to \`services\``
      faults.push({ path: [...path, 'service'], reason: 'this service is not listed under `services`', next })
    }
    if (names.has(flow.name)) faults.push({ path: [...path, 'name'], reason: 'this flow is listed twice' })
    names.add(flow.name)
    if (flow.listen.port !== 0 && taken.has(keyOf(flow.listen)))
      faults.push({ path: [...path, 'listen'], reason: 'this address is taken by another listener' })
    taken.add(keyOf(flow.listen))
    if (flow.listen.port === 0 && gateway.threads !== 1)
      faults.push({ path: [...path, 'listen'], reason: 'several threads need a port that is written down' })
    faults.push(...checkAddresses(flow, path))
  }
  return faults
}

function checkAddresses(flow: FlowConfig, path: ConfigFault['path']): ConfigFault[] {
  const faults: ConfigFault[] = []
  for (const name of ['upstream', 'quarantineUpstream'] as const)
    if (flow[name]?.port === 0) faults.push({ path: [...path, name], reason: 'a port is at least 1' })
  faults.push(...checkPeers(flow.peers, [...path, 'peers']))
  return faults
}

function keyOf(listen: ListenConfig | undefined): string {
  return listen === undefined ? '' : `${listen.host}:${listen.port}`
}
