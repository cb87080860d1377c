import { Buffer } from 'node:buffer'
import { isIP } from 'node:net'
import { crc32c } from './crc32c.ts'
import {
  type ProxyEnd,
  type ProxyTlv,
  proxyHeaderBytesMax,
  proxySignature,
  proxyTlvTypes,
  proxyTlvsMax,
} from './proxy-header.ts'

/** What a header is written from. */
export interface ProxyHeaderParts {
  /** Both ends; absent, or of two families: none are written. */
  readonly source?: ProxyEnd | undefined
  readonly destination?: ProxyEnd | undefined
  readonly tlvs: readonly ProxyTlv[]
}

/**
 * The PROXY protocol header of version 2 of a connection that is passed on, with a CRC-32C, as
 * `readProxyHeader` reads it. Layout: parse-proxy-header.ts.
 *
 * @throws {TypeError} for more than the limits allow, a value that stands twice, or a CRC-32C of the caller's own.
 */
export function formatProxyHeader({ source, destination, tlvs }: ProxyHeaderParts): Uint8Array {
  const types = tlvs.map(({ type }) => type)
  if (new Set(types).size !== types.length || types.includes(proxyTlvTypes.crc32c))
    throw new TypeError('each value stands once, and the CRC is not the caller’s')
  const { family, addresses } = addressesOf(source, destination)
  const values = [...tlvs, { type: proxyTlvTypes.crc32c, value: new Uint8Array(4) }]
  if (values.length > proxyTlvsMax) throw new TypeError('too many values for a header')
  const body = Buffer.concat([addresses, ...values.map(tlvBytes)])
  const header = Buffer.concat([proxySignature, Uint8Array.of(0x21, family, 0, 0), body])
  if (header.length > proxyHeaderBytesMax) throw new TypeError('too many bytes for a header')
  header.writeUInt16BE(body.length, 14)
  // The CRC stands last, and was zero so far.
  header.writeUInt32BE(crc32c(header), header.length - 4)
  return header
}

function tlvBytes({ type, value }: ProxyTlv): Buffer {
  const head = Buffer.alloc(3)
  head.writeUInt8(type)
  head.writeUInt16BE(value.length, 1)
  return Buffer.concat([head, value])
}

function addressesOf(
  source: ProxyEnd | undefined,
  destination: ProxyEnd | undefined,
): { readonly family: number; readonly addresses: Buffer } {
  const kind = isIP(source?.address ?? '')
  if (source === undefined || destination === undefined || kind === 0 || kind !== isIP(destination.address))
    return { family: 0x00, addresses: Buffer.alloc(0) }
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port)
  ports.writeUInt16BE(destination.port, 2)
  const bytes = kind === 4 ? ipv4Bytes : ipv6Bytes
  return {
    family: kind === 4 ? 0x11 : 0x21,
    addresses: Buffer.concat([bytes(source.address), bytes(destination.address), ports]),
  }
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

function ipv6Bytes(address: string): Buffer {
  // The runtime's URL brings an embedded IPv4 address, too, into groups. A zone says nothing to another machine.
  const plain = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1)
  const [left = [], right = []] = plain.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const zeros = plain.includes('::') ? 8 - left.length - right.length : 0
  const bytes = Buffer.alloc(16)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i)
  return bytes
}
