import { base64url, utf8 } from '@quantum-ip/base'
import type { SignatureAlgorithm } from '../algorithms.ts'
import { sha256 } from '../sha256.ts'

/**
 * RFC 7638 thumbprint of an AKP key: SHA-256 over `alg`, `kty` and `pub` in this order, without white space
 * (RFC 9964, section 6).
 */
export function akpThumbprint(alg: string, pub: Uint8Array): string {
  return thumbprintOf(`{"alg":"${alg}","kty":"AKP","pub":"${base64url(pub)}"}`)
}

/** RFC 7638 thumbprint of a signature key: an AKP key, or for Ed25519 an OKP one (RFC 8037, section 2). */
export function signatureKeyThumbprint(alg: SignatureAlgorithm, pub: Uint8Array): string {
  if (alg !== 'Ed25519') return akpThumbprint(alg, pub)
  return thumbprintOf(`{"crv":"Ed25519","kty":"OKP","x":"${base64url(pub)}"}`)
}

function thumbprintOf(canonical: string): string {
  return base64url(sha256(utf8(canonical)))
}
