import { Buffer } from 'node:buffer'
import { parseServiceId, type ServiceId } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { TokenError } from './token-errors.ts'

/*
 * identifier = fd ‖ SHA-256("quantum-ip/identifier/v1" 00 ‖ service ID ‖ 00 ‖ build)[0..15)      ; 16 bytes
 * build      = 32 bytes, all zero where there is none
 */

/**
 * The quantum IP identifier of a service and its build, 16 bytes: an IPv6-shaped name (in `fd00::/8`, RFC 4193) for flow logs,
 * TLVs and tags. It is looked up, never routed, and no proof by itself: 120 bits are too few to decide anything.
 *
 * @throws {BaseError} `QIP_BASE_SERVICE_ID_MALFORMED`
 * @throws {TypeError} for a build that has not 32 bytes.
 */
export function quantumIpIdentifier(serviceId: ServiceId, build?: Uint8Array): Uint8Array {
  if (build !== undefined && build.length !== 32) throw new TypeError('a build has 32 bytes')
  const head = Buffer.from(`quantum-ip/identifier/v1\0${parseServiceId(serviceId)}\0`, 'latin1')
  const bytes = Buffer.alloc(head.length + 32)
  head.copy(bytes)
  if (build !== undefined) bytes.set(build, head.length)
  const identifier = new Uint8Array(16)
  identifier[0] = 0xfd
  identifier.set(sha256(bytes).subarray(0, 15), 1)
  return identifier
}

/**
 * The text of an identifier, as RFC 5952 writes IPv6 addresses: lower case, no leading zeros, the first longest run of two or
 * more zero groups as `::`.
 *
 * @throws {TypeError} for anything but 16 bytes.
 */
export function formatIdentifier(identifier: Uint8Array): string {
  if (identifier.length !== 16) throw new TypeError('an identifier has 16 bytes')
  const view = new DataView(identifier.buffer, identifier.byteOffset)
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i))
  const gap = longestZeros(groups)
  const words = groups.map((group) => group.toString(16))
  if (gap.length < 2) return words.join(':')
  return `${words.slice(0, gap.start).join(':')}::${words.slice(gap.start + gap.length).join(':')}`
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    // Only a longer one: of equal runs the first is shortened (RFC 5952, section 4.2.3).
    if (length > best.length) best = { start, length }
  }
  return best
}

/**
 * Parses the text of an identifier: its 16 bytes. Only the spelling of {@link formatIdentifier} is accepted, so that one
 * identifier is one key of an index.
 *
 * @throws {TokenError} `QIP_TOKEN_IDENTIFIER_MALFORMED`
 */
export function parseIdentifier(text: string): Uint8Array {
  if (text.length > 39) throw malformed('longer than any address')
  const halves = text.split('::')
  if (halves.length > 2) throw malformed('it has two gaps')
  const [left = [], right = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const zeros = halves.length === 2 ? 8 - left.length - right.length : 0
  const words = [...left, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...right]
  if (words.length !== 8 || !words.every((word) => /^[0-9a-f]{1,4}$/.test(word)))
    throw malformed('not eight groups')
  const identifier = new Uint8Array(16)
  const view = new DataView(identifier.buffer)
  for (const [i, word] of words.entries()) view.setUint16(2 * i, Number.parseInt(word, 16))
  if (identifier[0] !== 0xfd) throw malformed('it is not in `fd00::/8`')
  if (formatIdentifier(identifier) !== text) throw malformed('not the spelling of RFC 5952')
  return identifier
}

function malformed(reason: string): TokenError {
  return new TokenError('QIP_TOKEN_IDENTIFIER_MALFORMED', { reason })
}
