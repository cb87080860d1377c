import { Buffer } from 'node:buffer'
import { type JsonObject, limits } from '@quantum-ip/base'
import { type PublicKey, verifySignature } from '@quantum-ip/crypto'
import { decodeBase64url, decodeJsonObject } from './lib/jws-parts.ts'
import { TokenError } from './token-errors.ts'

/** A JSON Web Signature in compact serialization (RFC 7515, section 7.1), parsed. **Not verified.** */
export interface Jws {
  /** The protected header: claims of whoever wrote it, never a reason to trust a key or an algorithm. */
  readonly header: JsonObject
  readonly payload: Uint8Array
  /** Header and payload with the dot between: what is signed. */
  readonly signingInput: Uint8Array
  readonly signature: Uint8Array
}

// `crit` and `b64` change what is signed; the others bring their own key.
const refusedMembers = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c'] as const

/**
 * Parses any JWS in compact serialization, without checking its signature. Tokens are parsed by `parseJwtToken`, which is stricter.
 *
 * @throws {TokenError} `QIP_TOKEN_JWS_MALFORMED` for another shape, base64url or JSON that is not canonical, or more than 1 MB.
 * @throws {TokenError} `QIP_TOKEN_JWS_HEADER_REFUSED` for a header with `crit`, `b64`, `jwk`, `jku`, `x5u` or `x5c`.
 */
export function parseJws(text: string): Jws {
  if (text.length > limits.envelopeBytesMax) throw malformed('longer than 1 MB')
  const parts = text.split('.', 4)
  if (parts.length !== 3) throw malformed('it has not three parts')
  const [headerText, payloadText, signatureText] = parts as [string, string, string]
  const header = decodeJsonObject(decodeBase64url(headerText))
  if (header === undefined) throw malformed('the header is no JSON object in base64url')
  const member = refusedMembers.find((name) => Object.hasOwn(header, name))
  if (member !== undefined) throw new TokenError('QIP_TOKEN_JWS_HEADER_REFUSED', { member })
  const payload = decodeBase64url(payloadText)
  const signature = decodeBase64url(signatureText)
  if (payload === undefined || signature === undefined) throw malformed('a part is not canonical base64url')
  const signingInput = Buffer.from(text.slice(0, headerText.length + 1 + payloadText.length), 'latin1')
  return { header, payload, signingInput, signature }
}

function malformed(reason: string): TokenError {
  return new TokenError('QIP_TOKEN_JWS_MALFORMED', { reason })
}

/**
 * Verifies a JWS in compact serialization with a key that is known by other ways, and returns it.
 *
 * The header's `alg` must be that of the key (RFC 9964, section 4; for Ed25519 also the older name `EdDSA`, RFC 9864, section 2.2).
 * `kid` is not looked at.
 *
 * @throws {TokenError} as {@link parseJws} does · `QIP_TOKEN_KEY_MISMATCH` for another `alg`.
 * @throws {CryptoError} `QIP_CRYPTO_SIGNATURE_INVALID` unless the signature holds.
 */
export async function verifyJws(text: string, key: PublicKey): Promise<Jws> {
  const jws = parseJws(text)
  const { alg } = jws.header
  if (alg !== key.alg && !(alg === 'EdDSA' && key.alg === 'Ed25519')) {
    throw new TokenError('QIP_TOKEN_KEY_MISMATCH', { member: 'alg' })
  }
  await verifySignature({ key, message: jws.signingInput, signature: jws.signature })
  return jws
}
