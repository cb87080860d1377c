import { base64url, limits, trustDomainOf, utf8 } from '@quantum-ip/base'
import { type PublicKey, type Signer, type SignatureAlgorithm, verifySignature } from '@quantum-ip/crypto'
import { claimsToJson } from './claims-json.ts'
import { claimsTooLong, logNumberMax } from './claims-rules.ts'
import type { Claims } from './claims.ts'
import { type JwtReadOptions, readJwtToken } from './read-jwt-token.ts'
import { TokenError } from './token-errors.ts'
import { TokenRefusal } from './token-refusal.ts'

/** What a JWT token was signed over. */
export interface JwtTokenParts {
  readonly claims: Claims
  /** The token log, `n` of `…/tokens/<n>`, that holds its entry: claim `log`. */
  readonly log: number
  /** The index there: claim `idx`. */
  readonly index: number
}

/** A token in the JWT form, parsed: well-formed, and nothing more. **Not verified.** */
export interface JwtToken extends JwtTokenParts {
  readonly form: 'jwt'
  /** What the header says. Compared with a key that is known by other ways, never used to choose how to verify. */
  readonly alg: SignatureAlgorithm
  /** The RFC 7638 thumbprint of the key that the header names. */
  readonly kid: string
  /** The octets of the payload: the token's digest is their SHA-256. */
  readonly payload: Uint8Array
  /** SHA-256 of `payload`, the token's public name. Computed when first asked for. */
  readonly digest: Uint8Array
  /** The leaf hash of the token's log entry. Computed when first asked for. */
  readonly leafHash: Uint8Array
  /** The ASCII octets that are signed: header and payload with the dot between (RFC 7515, section 5.1). */
  readonly signingInput: Uint8Array
  readonly signature: Uint8Array
}

/**
 * The payload of a JWT token: the octets to be logged, and then signed.
 *
 * The index must be known before: a token log has one writer. Its entry is
 * `tokenEntry({ form: 'jwt', exp, digest: tokenDigest(payload) })`.
 *
 * @throws {TokenError} `QIP_TOKEN_CLAIMS_INVALID` for claims that no token may have, or a payload over 3,072 bytes.
 * @throws {TypeError} for a log number or an index out of range.
 */
export function jwtPayload({ claims, log, index }: JwtTokenParts): Uint8Array {
  if (!(Number.isInteger(log) && log >= 1 && log <= logNumberMax)) throw new TypeError('not a log number')
  if (!(Number.isInteger(index) && index >= 0 && index < limits.logIndexEnd))
    throw new TypeError('not a log index')
  const payload = utf8(
    JSON.stringify({ iss: trustDomainOf(claims.sub), ...claimsToJson(claims), log, idx: index }),
  )
  if (payload.length > limits.claimsBytesMax) throw claimsTooLong(claims, payload.length)
  return payload
}

/**
 * Signs a payload of {@link jwtPayload} as compact JWS: RFC 9964 for ML-DSA, header `alg`, `kid` and `typ` and nothing else.
 *
 * @throws {TokenError} `QIP_TOKEN_TOO_LONG` if the token would not fit into a header field of 8,000 characters.
 */
export async function signJwtToken(payload: Uint8Array, signer: Signer): Promise<string> {
  const { alg, kid } = signer.publicKey
  const header = base64url(utf8(JSON.stringify({ alg, kid, typ: 'qip+jwt' })))
  const signed = `${header}.${base64url(payload)}`
  const token = `${signed}.${base64url(await signer.sign(utf8(signed)))}`
  if (token.length > limits.headerFieldMax) {
    throw new TokenError('QIP_TOKEN_TOO_LONG', { chars: token.length, charsMax: limits.headerFieldMax })
  }
  return token
}

/**
 * Parses the text of a JWT token without checking its signature.
 *
 * Refused are all header members but `alg`, `kid` and `typ`: above all `crit`, `b64`, `jwk`, `jku` and `x5u`.
 *
 * @throws {TokenError} `QIP_TOKEN_TRUNCATED` for the beginning of a token whose `kid` the caller knows, by the truncation grammar.
 * @throws {TokenError} `QIP_TOKEN_MALFORMED` for anything else that is no such token.
 */
export function parseJwtToken(text: string, options: JwtReadOptions = {}): JwtToken {
  const token = readJwtToken(text, options)
  if (!(token instanceof TokenRefusal)) return token
  if (token.truncated) throw new TokenError('QIP_TOKEN_TRUNCATED', { form: 'jwt' })
  throw new TokenError('QIP_TOKEN_MALFORMED', { form: 'jwt', reason: token.reason })
}

/**
 * Verifies that `key` signed the token, on the thread pool, and returns the token.
 *
 * Whether the key may sign tokens of this trust domain, and everything about time, audience and revocation,
 * is for the caller to check.
 *
 * @throws {TokenError} `QIP_TOKEN_KEY_MISMATCH` if the token names another key or algorithm than that of `key`.
 * @throws {CryptoError} `QIP_CRYPTO_SIGNATURE_INVALID` unless the signature holds.
 */
export async function verifyJwtToken(token: JwtToken, key: PublicKey): Promise<JwtToken> {
  if (token.kid !== key.kid) throw new TokenError('QIP_TOKEN_KEY_MISMATCH', { member: 'kid' })
  if (token.alg !== key.alg) throw new TokenError('QIP_TOKEN_KEY_MISMATCH', { member: 'alg' })
  await verifySignature({ key, message: token.signingInput, signature: token.signature })
  return token
}
