import { trustDomainOf } from '@quantum-ip/base'
import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'
import { isLoopback } from './units.ts'

/** Whether the keys of `sidecar` fit each other and the rest. */
export function checkSidecar(config: Config): readonly ConfigFault[] {
  return [...checkNames(config), ...checkPlaces(config), ...checkOutbound(config)]
}

function checkNames({ trustDomain, sidecar, gateway, forwardAuth, extAuthz }: Config): ConfigFault[] {
  const faults: ConfigFault[] = []
  const foreign = {
    reason: `not in the trust domain \`${trustDomain}\``,
    next: 'correct it, or `trustDomain`',
  }
  const isForeign = (id: string): boolean => trustDomainOf(id) !== trustDomain
  const { service, name, outbound, tokens } = sidecar
  if (service === undefined) return []
  if (isForeign(service)) faults.push({ path: ['sidecar', 'service'], ...foreign })
  for (const [index, id] of tokens.warm.entries())
    if (isForeign(id)) faults.push({ path: ['sidecar', 'tokens', 'warm', index], ...foreign })
  for (const [index, { service: id }] of outbound.destinations.entries())
    if (isForeign(id))
      faults.push({ path: ['sidecar', 'outbound', 'destinations', index, 'service'], ...foreign })
  const others = [gateway, forwardAuth, extAuthz].filter(({ routes }) => routes.length > 0)
  if (others.some((other) => other.name === name)) {
    faults.push({
      path: ['sidecar', 'name'],
      reason: 'the name of another enforcement point: their decision IDs could not be told apart',
    })
  }
  return faults
}

function checkPlaces({ sidecar }: Config): ConfigFault[] {
  const { outbound, workload, listen, upstream, tokens } = sidecar
  const faults: ConfigFault[] = []
  if (!isLoopback(outbound.listen.host)) {
    faults.push({
      path: ['sidecar', 'outbound', 'listen'],
      reason: 'not on the loopback: other machines would call as this service',
      next: 'listen on `127.0.0.1`',
    })
  }
  if ((workload.socketMode & 0o007) !== 0) {
    faults.push({
      path: ['sidecar', 'workload', 'socketMode'],
      reason: 'every user of this machine would speak as this service',
      next: 'write `"0600"`, or `"0660"` and a socketGroup',
    })
  }
  const same =
    listen.port !== 0 && listen.port === outbound.listen.port && listen.host === outbound.listen.host
  if (same && upstream !== undefined && outbound.destinations.length > 0)
    faults.push({ path: ['sidecar', 'outbound', 'listen'], reason: 'the same address as `sidecar.listen`' })
  if (tokens.drawFirst > tokens.drawMax)
    faults.push({ path: ['sidecar', 'tokens', 'drawFirst'], reason: 'more than `sidecar.tokens.drawMax`' })
  return faults
}

function checkOutbound({ sidecar }: Config): ConfigFault[] {
  const hosts = new Set<string>()
  return sidecar.outbound.destinations.flatMap(({ host }, index) => {
    const twice = hosts.has(host)
    hosts.add(host)
    const path = ['sidecar', 'outbound', 'destinations', index, 'host']
    return twice ? [{ path, reason: 'this host is listed twice' }] : []
  })
}
