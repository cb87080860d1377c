import { Buffer } from 'node:buffer'

/** A value beside the addresses. */
export interface ProxyTlv {
  /** 0 to 255. */
  readonly type: number
  readonly value: Uint8Array
}

/** An end of a connection. */
export interface ProxyEnd {
  /** As `node:net` writes it; of a Unix socket its path. */
  readonly address: string
  /** 0 for a Unix socket. */
  readonly port: number
}

/** What a PROXY protocol header of version 2 says. */
export interface ProxyHeader {
  /** `local`: the proxy speaks for itself, as in a health check, and what follows counts for nothing. */
  readonly command: 'local' | 'proxy'
  readonly source: ProxyEnd | undefined
  readonly destination: ProxyEnd | undefined
  readonly tlvs: readonly ProxyTlv[]
}

/** The types of values that have a meaning here. */
export const proxyTlvTypes = {
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  /** Of the custom range E0 to EF, ours: the 16-byte identifier. */
  identifier: 0xe1,
  /** SHA-256 of the claims of the token. */
  tokenDigest: 0xe2,
  /** A reference token, a bearer secret: towards an enforcement point only. */
  token: 0xe3,
} as const

/** Bytes of a header, its first sixteen included. A header should fit into the first segment of a connection. */
export const proxyHeaderBytesMax = 2_048

/** Values in a header. */
export const proxyTlvsMax = 64

/** The first twelve bytes of each header. */
export const proxySignature: Uint8Array = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** Bytes of both addresses, by the family in the header's 14th byte. Datagrams have no connections to be proxied. */
export const proxyAddressBytes: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x11, 12],
  [0x21, 36],
  [0x31, 216],
])
