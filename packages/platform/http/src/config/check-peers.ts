import { isIP } from 'node:net'
import type { ConfigFault } from './fault.ts'

/** Whether what is listed as peers, in characters of addresses, are addresses and blocks of them. `unix` is one, too. */
export function checkPeers(peers: readonly string[], path: ConfigFault['path']): ConfigFault[] {
  const faults: ConfigFault[] = []
  for (const [at, peer] of peers.entries()) {
    if (peer === 'unix') continue
    const [address = '', bits = '0'] = peer.split('/')
    const kind = isIP(address)
    if (kind === 0 || Number(bits) > (kind === 6 ? 128 : 32))
      faults.push({ path: [...path, at], reason: 'not an address or a CIDR block' })
  }
  return faults
}
