import { checkPeers } from './check-peers.ts'
import type { Config, ListenConfig } from './config.ts'
import type { ConfigFault } from './fault.ts'
import { isLoopback } from './units.ts'

const points = ['gateway', 'forwardAuth', 'extAuthz'] as const

/** Whether points that proxies ask have peers, a name and an address of their own. One that has no route is not checked against others. */
export function checkAsked(config: Config, section: 'forwardAuth' | 'extAuthz'): ConfigFault[] {
  const { listen, peers, routes, name } = config[section]
  const faults: ConfigFault[] = []
  if (peers === undefined && !isLoopback(listen.host)) {
    faults.push({
      path: [section, 'listen'],
      reason: 'only this machine may ask, by default',
      next: `name the proxies that may, in \`${section}.peers\``,
    })
  }
  faults.push(...checkPeers(peers ?? [], [section, 'peers']))
  if (routes.length === 0) return faults
  const others = points.slice(0, points.indexOf(section))
  for (const other of others) {
    if (name !== config[other].name) continue
    const reason = `the same name as \`${other}.name\`: their decision IDs could not be told apart`
    faults.push({ path: [section, 'name'], reason })
  }
  for (const other of ['authority', ...others] as const) {
    const isUsed = other === 'authority' || config[other].routes.length > 0
    if (isUsed && isSame(listen, config[other].listen))
      faults.push({ path: [section, 'listen'], reason: `the same address as \`${other}.listen\`` })
  }
  return faults
}

function isSame(one: ListenConfig, other: ListenConfig): boolean {
  return one.port !== 0 && one.port === other.port && one.host === other.host
}
