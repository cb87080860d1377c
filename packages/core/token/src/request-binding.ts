import { Buffer } from 'node:buffer'
import { sha256 } from '@quantum-ip/crypto'
import { TokenError } from './token-errors.ts'

/** The parts of a request that a token can be bound to. */
export interface BoundRequest {
  /** The method, as it was sent: `GET`. */
  readonly method: string
  /** `@authority` of RFC 9421: lower case, without the default port. See {@link canonicalAuthority}. */
  readonly authority: string
  /** `@request-target` of RFC 9421, byte for byte before any rewriting: `/cart?x=1`. */
  readonly target: string
  /** SHA-256 of the content, 32 bytes, where the content is bound too. */
  readonly contentDigest?: Uint8Array | undefined
}

const label = Buffer.from('quantum-ip/req/v1\0', 'latin1')
// What no HTTP implementation exceeds that this product works with; the digest itself has no limit.
const partCharsMax = { method: 64, authority: 512, target: 65_535 } as const

/*
 * binding = SHA-256("quantum-ip/req/v1" 00 ‖ lp(method) ‖ lp(authority) ‖ lp(target) ‖ b)
 * lp(x)   = u32be length ‖ bytes
 * b       = 00                       ; the content is not bound
 *         / 01 ‖ SHA-256(content)
 */

/**
 * The claim `req` of a token that is good for one request only: 32 bytes.
 *
 * Characters stand for bytes, as HTTP implementations hand them out (Latin-1). Compared byte for byte: nothing is
 * decoded or normalised, so a proxy that rewrites the target breaks the binding, and that is its purpose.
 *
 * @throws {TokenError} `QIP_TOKEN_REQUEST_PART_MALFORMED` for an empty part, one that is too long or holds a character above U+00FF.
 *
 * @example
 * requestBinding({ method: 'GET', authority: 'shop.acme.example', target: '/cart' })
 */
export function requestBinding({ method, authority, target, contentDigest }: BoundRequest): Uint8Array {
  checkPart('method', method)
  checkPart('authority', authority)
  checkPart('target', target)
  if (contentDigest !== undefined && contentDigest.length !== 32) {
    throw new TokenError('QIP_TOKEN_REQUEST_PART_MALFORMED', {
      part: 'content digest',
      reason: 'it has not 32 bytes',
    })
  }
  const bytes = Buffer.alloc(
    label.length +
      12 +
      method.length +
      authority.length +
      target.length +
      (contentDigest === undefined ? 1 : 33),
  )
  let at = label.copy(bytes)
  for (const part of [method, authority, target]) {
    at = bytes.writeUInt32BE(part.length, at)
    at += bytes.write(part, at, 'latin1')
  }
  if (contentDigest !== undefined) {
    bytes[at] = 1
    bytes.set(contentDigest, at + 1)
  }
  return sha256(bytes)
}

// oxlint-disable-next-line no-control-regex -- every byte is allowed, and nothing that is no byte
const byteString = /^[\u0000-\u00ff]*$/

function checkPart(part: keyof typeof partCharsMax, text: string): void {
  const max = partCharsMax[part]
  const reason =
    text.length === 0
      ? 'it is empty'
      : text.length > max
        ? `longer than ${max}`
        : byteString.test(text)
          ? undefined
          : 'not bytes'
  if (reason !== undefined) throw new TokenError('QIP_TOKEN_REQUEST_PART_MALFORMED', { part, reason })
}

/**
 * `@authority` of RFC 9421, section 2.2.3, from a `Host` or `:authority` field: lower case, default port of the scheme dropped.
 *
 * @example
 * canonicalAuthority('Shop.Acme.Example:443', 'https') // => 'shop.acme.example'
 */
export function canonicalAuthority(host: string, scheme: 'http' | 'https'): string {
  const port = scheme === 'https' ? ':443' : ':80'
  const lower = host.toLowerCase()
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower
}
