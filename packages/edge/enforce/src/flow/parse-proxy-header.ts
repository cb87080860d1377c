import { Buffer } from 'node:buffer'
import { crc32c } from './crc32c.ts'
import {
  type ProxyEnd,
  type ProxyHeader,
  type ProxyTlv,
  proxyAddressBytes,
  proxyHeaderBytesMax,
  proxySignature,
  proxyTlvTypes,
  proxyTlvsMax,
} from './proxy-header.ts'

/*
 * The PROXY protocol, version 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2):
 *
 * struct proxy_hdr_v2 {
 *     uint8_t sig[12];  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A
 *     uint8_t ver_cmd;  20 LOCAL, 21 PROXY
 *     uint8_t fam;      00 UNSPEC, 11 TCP over IPv4, 21 TCP over IPv6, 31 UNIX stream
 *     uint16_t len;     of all that follows, big endian
 * };
 * union proxy_addr {
 *     struct { uint32_t src_addr, dst_addr; uint16_t src_port, dst_port; } ipv4;         12 bytes
 *     struct { uint8_t src_addr[16], dst_addr[16]; uint16_t src_port, dst_port; } ipv6;  36 bytes
 *     struct { uint8_t src_addr[108], dst_addr[108]; } unix;                            216 bytes
 * };
 * struct pp2_tlv { uint8_t type; uint8_t length_hi; uint8_t length_lo; uint8_t value[0]; };  until len is used up
 */

/** Why a header is refused. */
export type ProxyRefusal =
  | 'proxy_absent'
  | 'proxy_version'
  | 'proxy_command'
  | 'proxy_family'
  | 'proxy_oversize'
  | 'proxy_addresses'
  | 'proxy_tlv'
  | 'proxy_crc'
  | 'proxy_duplicate'

/** What the first bytes of a connection are: a header and its length, too little of one, or none that is taken. */
export type ReadProxyHeader =
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly length: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'refused'; readonly reason: ProxyRefusal }

const more: ReadProxyHeader = { kind: 'more' }
const prefixBytes = 16

/**
 * Reads a PROXY protocol header of version 2 from the first bytes of a connection. Never throws.
 *
 * Strict: version 1 is `proxy_version`, a wrong CRC-32C is `proxy_crc`, a value that stands twice is `proxy_duplicate`
 * (a proxy that passes on what a client wrote, and appends its own, would leave the choice to each reader), and a length
 * above {@link proxyHeaderBytesMax} is refused before its bytes have come.
 */
export function readProxyHeader(bytes: Uint8Array): ReadProxyHeader {
  const known = Math.min(bytes.length, proxySignature.length)
  for (let i = 0; i < known; i++) if (bytes[i] !== proxySignature[i]) return refused(versionOf(bytes))
  if (bytes.length < prefixBytes) return more
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const command = view[12]
  if ((view[12] as number) >> 4 !== 2) return refused('proxy_version')
  if (command !== 0x20 && command !== 0x21) return refused('proxy_command')
  const length = prefixBytes + view.readUInt16BE(14)
  if (length > proxyHeaderBytesMax) return refused('proxy_oversize')
  // What a proxy says while it speaks for itself is discarded, whatever it is.
  const addressBytes = command === 0x20 ? 0 : proxyAddressBytes.get(view[13] as number)
  if (addressBytes === undefined) return refused('proxy_family')
  if (length < prefixBytes + addressBytes) return refused('proxy_addresses')
  if (view.length < length) return more
  if (command === 0x20) return { kind: 'header', header: localHeader, length }
  return readWhole(view.subarray(0, length), addressBytes)
}

const localHeader: ProxyHeader = { command: 'local', source: undefined, destination: undefined, tlvs: [] }

// `PROXY ` begins the header of version 1, a line of text.
function versionOf(bytes: Uint8Array): ProxyRefusal {
  return Buffer.from(bytes.subarray(0, 6)).toString('latin1') === 'PROXY ' ? 'proxy_version' : 'proxy_absent'
}

function readWhole(header: Buffer, addressBytes: number): ReadProxyHeader {
  const tlvs = readTlvs(header, prefixBytes + addressBytes)
  if (typeof tlvs === 'string') return refused(tlvs)
  const [source, destination] = readEnds(header)
  return { kind: 'header', length: header.length, header: { command: 'proxy', source, destination, tlvs } }
}

function readTlvs(header: Buffer, begin: number): readonly ProxyTlv[] | ProxyRefusal {
  const tlvs: ProxyTlv[] = []
  const seen = new Set<number>()
  for (let at = begin; at < header.length;) {
    if (header.length - at < 3) return 'proxy_tlv'
    const type = header[at] as number
    const valueAt = at + 3
    const end = valueAt + header.readUInt16BE(at + 1)
    if (end > header.length || tlvs.length === proxyTlvsMax) return 'proxy_tlv'
    if (type !== proxyTlvTypes.noop && seen.has(type)) return 'proxy_duplicate'
    seen.add(type)
    const value = Uint8Array.from(header.subarray(valueAt, end))
    if (type === proxyTlvTypes.uniqueId && value.length > 128) return 'proxy_tlv'
    if (type === proxyTlvTypes.crc32c && !holds(header, valueAt, value)) return 'proxy_crc'
    tlvs.push({ type, value })
    at = end
  }
  return tlvs
}

// Over the whole header, with the field itself zero.
function holds(header: Buffer, valueAt: number, value: Uint8Array): boolean {
  if (value.length !== 4) return false
  const zeroed = Uint8Array.from(header)
  zeroed.fill(0, valueAt, valueAt + 4)
  return crc32c(zeroed) === header.readUInt32BE(valueAt)
}

function readEnds(header: Buffer): readonly [ProxyEnd | undefined, ProxyEnd | undefined] {
  switch (header.readUInt8(13)) {
    case 0x11:
      return [
        { address: header.subarray(16, 20).join('.'), port: header.readUInt16BE(24) },
        { address: header.subarray(20, 24).join('.'), port: header.readUInt16BE(26) },
      ]
    case 0x21:
      return [
        { address: ipv6Text(header.subarray(16, 32)), port: header.readUInt16BE(48) },
        { address: ipv6Text(header.subarray(32, 48)), port: header.readUInt16BE(50) },
      ]
    case 0x31:
      return [
        { address: socketPath(header.subarray(16, 124)), port: 0 },
        { address: socketPath(header.subarray(124, 232)), port: 0 },
      ]
    default:
      return [undefined, undefined]
  }
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':')
  // The runtime's URL writes addresses as RFC 5952 does.
  return new URL(`http://[${groups}]`).hostname.slice(1, -1)
}

function socketPath(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}

function refused(reason: ProxyRefusal): ReadProxyHeader {
  return { kind: 'refused', reason }
}
