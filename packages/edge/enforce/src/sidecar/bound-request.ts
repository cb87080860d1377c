import { parseHex } from '@quantum-ip/base'
import { type BoundRequest, canonicalAuthority } from '@quantum-ip/token'
import { EnforceError } from '../enforce-errors.ts'

/** A request as programs name it. */
export interface NamedRequest {
  readonly method: string
  readonly url: string
  /** Lowercase hexadecimal. */
  readonly bodySha256?: string
}

/**
 * The parts of a request that a token is bound to. The target is that of the URL byte for byte: nothing is normalised.
 *
 * @throws {EnforceError} `QIP_ENFORCE_REQUEST_UNUSABLE`
 *
 * @example
 * boundRequest({ method: 'GET', url: 'https://Shop.acme.example:443/cart?x=1' })
 * // => { method: 'GET', authority: 'shop.acme.example', target: '/cart?x=1', scheme: 'https' }
 */
export function boundRequest({
  method,
  url,
  bodySha256,
}: NamedRequest): BoundRequest & { readonly scheme: 'http' | 'https' } {
  const [, scheme = '', authority = '', target = ''] =
    /^(https?):\/\/([^/?#@\s]+)(\/[^#\s]*)?$/.exec(url) ?? []
  if (authority === '' || (scheme !== 'http' && scheme !== 'https'))
    throw new EnforceError('QIP_ENFORCE_REQUEST_UNUSABLE', {
      reason: 'its URL has no authority, or a user, a space or a fragment',
    })
  return {
    method,
    authority: canonicalAuthority(authority, scheme),
    target: target === '' ? '/' : target,
    scheme,
    ...(bodySha256 !== undefined && { contentDigest: parseHex(bodySha256) }),
  }
}
