import { BlockList, isIP } from 'node:net'

/** Peers that are listed: proxies, mostly, whose word counts. */
export interface ListedPeers {
  /** Whether `address` is one of them. Absent or empty: a peer on a Unix socket. */
  includes(address: string | undefined): boolean
}

/**
 * Compiles a list of addresses and CIDR blocks. The word `unix` stands for peers on a Unix socket.
 *
 * @param refuse - What is thrown for a text that is neither, made from the reason.
 * @throws {TypeError} for such a text, where `refuse` is absent.
 */
export function parseListedPeers(
  texts: readonly string[],
  refuse = (reason: string): Error => new TypeError(reason),
): ListedPeers {
  if (texts.length === 0) return { includes: () => false }
  const list = new BlockList()
  let unix = false
  for (const text of texts) {
    if (text === 'unix') unix = true
    else if (!addBlock(list, text)) throw refuse(`\`${text}\` is not an address, a CIDR block or \`unix\``)
  }
  return {
    includes(address) {
      if (address === undefined || address === '') return unix
      const family = isIP(address)
      return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
    },
  }
}

function addBlock(list: BlockList, text: string): boolean {
  const [address = '', bits, more] = text.split('/')
  const family = isIP(address)
  const width = family === 6 ? 128 : 32
  const prefix = bits === undefined ? width : Number(bits)
  const digits = bits === undefined || /^[0-9]{1,3}$/.test(bits)
  if (family === 0 || more !== undefined || !digits || prefix > width) return false
  list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
  return true
}
