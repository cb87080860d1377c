import { isIP } from 'node:net'
import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'

/** Whether what is listed as peers, in characters of addresses, are addresses and blocks of them. `unix` is one, too. */
export function checkPeers(peers: readonly string[], path: ConfigFault['path']): ConfigFault[] {
  const faults: ConfigFault[] = []
  for (const [at, peer] of peers.entries()) {
    if (peer === 'unix') continue
    const [address = '', bits = '0', more] = peer.split('/')
    const kind = isIP(address)
    const isBlock = more === undefined && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= (kind === 6 ? 128 : 32)
    if (kind === 0 || !isBlock) faults.push({ path: [...path, at], reason: 'not an address or a CIDR block' })
  }
  return faults
}

/** The same for the proxies whose word counts about the certificates of their clients. */
export function checkTellers(config: Config): ConfigFault[] {
  return (['gateway', 'forwardAuth'] as const).flatMap((section) =>
    checkPeers(config[section].clientCertificates?.peers ?? [], [section, 'clientCertificates', 'peers']),
  )
}
