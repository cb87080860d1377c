import { Buffer } from 'node:buffer'
import { formatIdentifier, parseIdentifier } from '@quantum-ip/token'
import { type ProxyTlv, proxyTlvTypes } from './proxy-header.ts'

/*
 * E1  identifier[16]                              fd …, the quantum IP identifier
 * E2  digest[32]                                  SHA-256(claims) of the token: the logged hash
 * E3  "qipr1." base64url(key ID[4] ‖ handle[16])  a reference token, 33 characters
 * 05  text(identifier) [ "/" base64url(digest) ]  both again, for proxies that know the standard values only
 */

/** What the values of a header say about the caller. Names are no proof: only `token` is. */
export interface FlowIdentity {
  /** 16 bytes. */
  readonly identifier: Uint8Array | undefined
  /** 32 bytes. */
  readonly tokenDigest: Uint8Array | undefined
  /** A reference token, not yet looked at. A secret. */
  readonly token: string | undefined
}

/** Who a connection is from, for a reader behind an enforcement point. */
export interface VerifiedFlow {
  readonly identifier: Uint8Array
  readonly tokenDigest: Uint8Array
}

/** The values that carry it. */
export function flowTlvs({ identifier, tokenDigest }: VerifiedFlow): readonly ProxyTlv[] {
  if (tokenDigest.length !== 32) throw new TypeError('a token digest has 32 bytes')
  const text = `${formatIdentifier(identifier)}/${Buffer.from(tokenDigest).toString('base64url')}`
  return [
    { type: proxyTlvTypes.uniqueId, value: Buffer.from(text, 'latin1') },
    { type: proxyTlvTypes.identifier, value: identifier },
    { type: proxyTlvTypes.tokenDigest, value: tokenDigest },
  ]
}

/**
 * What the values of a header say about the caller: `undefined` where they are malformed, or contradict each other.
 *
 * A unique ID that is not ours is some proxy's name for a connection, and says nothing.
 */
export function readFlowIdentity(tlvs: readonly ProxyTlv[]): FlowIdentity | undefined {
  const valueOf = (wanted: number): Uint8Array | undefined => tlvs.find(({ type }) => type === wanted)?.value
  const own = { identifier: valueOf(proxyTlvTypes.identifier), digest: valueOf(proxyTlvTypes.tokenDigest) }
  if (own.identifier !== undefined && (own.identifier.length !== 16 || own.identifier[0] !== 0xfd))
    return undefined
  if (own.digest !== undefined && own.digest.length !== 32) return undefined
  const token = valueOf(proxyTlvTypes.token)
  if (token !== undefined && token.length !== tokenChars) return undefined
  const named = readUniqueId(valueOf(proxyTlvTypes.uniqueId))
  if (differ(own.identifier, named?.identifier) || differ(own.digest, named?.digest)) return undefined
  return {
    identifier: own.identifier ?? named?.identifier,
    tokenDigest: own.digest ?? named?.digest,
    token: token && Buffer.from(token).toString('latin1'),
  }
}

const tokenChars = 33

interface Named {
  readonly identifier: Uint8Array
  readonly digest: Uint8Array | undefined
}

function readUniqueId(value: Uint8Array | undefined): Named | undefined {
  if (value === undefined) return undefined
  const [name = '', digest, more] = Buffer.from(value).toString('latin1').split('/')
  if (!name.startsWith('fd') || more !== undefined) return undefined
  const bytes = digest === undefined ? undefined : Buffer.from(digest, 'base64url')
  if (bytes !== undefined && (bytes.length !== 32 || bytes.toString('base64url') !== digest)) return undefined
  try {
    return { identifier: parseIdentifier(name), digest: bytes && Uint8Array.from(bytes) }
  } catch {
    return undefined
  }
}

function differ(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  return left !== undefined && right !== undefined && Buffer.compare(left, right) !== 0
}
