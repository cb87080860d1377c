import { isIP } from 'node:net'
import { type ListedPeers, parseListedPeers } from '@quantum-ip/point'
import { EnforceError } from '../enforce-errors.ts'
import type { FieldScan } from './field-scan.ts'

/** Which peers are proxies of ours, so that what they say about the client is believed. */
export type TrustedPeers = ListedPeers

/**
 * Compiles a list of addresses and CIDR blocks. The word `unix` stands for peers on a Unix socket.
 *
 * @throws {EnforceError} `QIP_ENFORCE_OPTION_INVALID` for what is neither.
 */
export function parseTrustedPeers(texts: readonly string[], option = 'trustedProxies'): TrustedPeers {
  return parseListedPeers(texts, optionRefusal(option))
}

/** Makes the error of an option out of the reason. */
export function optionRefusal(option: string): (reason: string) => EnforceError {
  return (reason) => new EnforceError('QIP_ENFORCE_OPTION_INVALID', { option, reason })
}

/** An address without the IPv4-in-IPv6 prefix; empty for a Unix socket. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/**
 * The client's address: that of the peer, or, behind trusted proxies, the rightmost address in
 * `X-Forwarded-For` that is not one of theirs.
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, trusted: TrustedPeers): string {
  if (forwardedFor === undefined || !trusted.includes(peer)) return peer
  const hops = forwardedFor.split(',')
  let client = peer
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = plainAddress((hops[i] ?? '').trim())
    if (isIP(hop) === 0) break
    client = hop
    if (!trusted.includes(hop)) break
  }
  return client
}

/**
 * Appends what this proxy says about the request: `X-Forwarded-For`, `-Proto`, `-Host` and `Via`
 * (RFC 9110, section 7.6.3). `scan` holds values from a trusted peer, or nothing.
 */
export function addForwarding(
  fields: string[],
  scan: FieldScan,
  own: { readonly peer: string; readonly scheme: string; readonly authority: string; readonly via: string },
): void {
  const peer = own.peer === '' ? 'unix' : own.peer
  fields.push(
    'x-forwarded-for',
    scan.forwardedFor === undefined ? peer : `${scan.forwardedFor}, ${peer}`,
    'x-forwarded-proto',
    scan.forwardedProto ?? own.scheme,
    'x-forwarded-host',
    scan.forwardedHost ?? own.authority,
    'via',
    own.via,
  )
}
