import { Buffer } from 'node:buffer'
import { base64url, isQipError, limits, utf8 } from '@quantum-ip/base'
import {
  parseProofKey,
  type ProofKey,
  proofSignatureBytes,
  type ProofSigner,
  sha256,
  verifyProofSignature,
} from '@quantum-ip/crypto'
import { decodeBase64url, decodeJsonObject } from './lib/jws-parts.ts'
import { TokenError } from './token-errors.ts'

/** The HTTP field of a proof (draft-ietf-wimse-wpt), as it is written. */
export const proofHeaderName = 'Workload-Proof-Token'

/** The same as a gRPC metadata key, and for comparisons. */
export const proofFieldName = 'workload-proof-token'

/** A URI without query and fragment, split for comparison. */
export interface ProofTarget {
  readonly scheme: 'http' | 'https'
  /** As written, lower case, without the scheme's default port. */
  readonly authority: string
  /** Byte for byte; `/` where there is none. */
  readonly path: string
}

/** A proof of possession, parsed: well-formed, and nothing more. **Not verified.** */
export interface ProofToken {
  /** The key that it claims to be signed by. It counts only where a token confirms its thumbprint. */
  readonly key: ProofKey
  /** The request that it is for. */
  readonly target: ProofTarget
  readonly exp: number
  readonly iat: number | undefined
  readonly jti: string
  /** SHA-256 of the characters of the token that it goes with. */
  readonly tokenHash: Uint8Array
  readonly signingInput: Uint8Array
  readonly signature: Uint8Array
}

/*
 * BASE64URL({"alg": …, "jwk": …, "typ": "wpt+jwt"}) . BASE64URL(payload) . BASE64URL(signature)
 *
 * payload = { "aud": URI, "exp": s, ? "iat": s, "jti": text, "wth": BASE64URL(SHA-256(token)) }
 *
 * WIMSE has the key in the identity token (`cnf.jwk`). Ours carries its thumbprint alone (`cnf.jkt`), or each would be 1,700 characters
 * longer with ML-DSA-44; so the proof brings the key, as in DPoP (RFC 9449), and the token says which one counts.
 * `ath`, `tth` and `oth` bind fields that are not looked at here. What cannot be checked does not hold: they are refused.
 */

const headerMembers = 3
const payloadMembers = { required: ['aud', 'exp', 'jti', 'wth'], optional: 'iat' } as const
// The longest header has a key of ML-DSA-44; the longest payload a target of 3,000 characters.
const headerCharsMax = 2_600
const payloadCharsMax = 4_500
const jwkMembers: ReadonlySet<string> = new Set(['kty', 'alg', 'crv', 'x', 'y', 'pub'])
const jtiForm = /^[\u0021-\u007e]{8,128}$/

/** Reads a proof: parsed, not verified, or `undefined` for anything that is not one in its one spelling. Never throws. */
export function readProofToken(text: string): ProofToken | undefined {
  if (text.length > limits.headerFieldMax || !text.startsWith('eyJ')) return undefined
  const headerEnd = text.indexOf('.')
  const payloadEnd = text.indexOf('.', headerEnd + 1)
  if (headerEnd < 0 || headerEnd > headerCharsMax) return undefined
  if (payloadEnd < 0 || payloadEnd - headerEnd > payloadCharsMax) return undefined
  const key = readKey(text.slice(0, headerEnd))
  if (key === undefined) return undefined
  const signature = decodeBase64url(text.slice(payloadEnd + 1))
  if (signature?.length !== proofSignatureBytes(key.alg)) return undefined
  const claims = readPayload(text.slice(headerEnd + 1, payloadEnd))
  if (claims === undefined) return undefined
  return { ...claims, key, signingInput: Buffer.from(text.slice(0, payloadEnd), 'latin1'), signature }
}

function readKey(text: string): ProofKey | undefined {
  const header = decodeJsonObject(decodeBase64url(text))
  if (header === undefined || Object.keys(header).length !== headerMembers) return undefined
  const { alg, jwk, typ } = header
  if (typ !== 'wpt+jwt' || typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return undefined
  // Closed, above all to `d` and `priv`: a caller that sends its secret has lost it.
  if (!Object.keys(jwk).every((name) => jwkMembers.has(name))) return undefined
  try {
    const key = parseProofKey(jwk)
    return key.alg === alg ? key : undefined
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

function readPayload(text: string): Omit<ProofToken, 'key' | 'signingInput' | 'signature'> | undefined {
  const payload = decodeJsonObject(decodeBase64url(text))
  if (payload === undefined) return undefined
  const { aud, exp, iat, jti, wth } = payload
  const count = payloadMembers.required.length + (Object.hasOwn(payload, payloadMembers.optional) ? 1 : 0)
  if (Object.keys(payload).length !== count) return undefined
  if (typeof aud !== 'string' || typeof jti !== 'string' || typeof wth !== 'string') return undefined
  if (!isSeconds(exp) || (iat !== undefined && !isSeconds(iat)) || !jtiForm.test(jti)) return undefined
  const target = readProofTarget(aud)
  const tokenHash = decodeBase64url(wth)
  if (target === undefined || tokenHash?.length !== 32) return undefined
  return { target, exp, iat, jti, tokenHash }
}

function isSeconds(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
}

const targetForm =
  /^(https?):\/\/([A-Za-z0-9._~!$&'()*+,;=:[\]-]{1,512})(\/[\u0021\u0022\u0024-\u003e\u0040-\u007e]*)?$/

/**
 * Reads the target of a proof: an absolute `http` or `https` URI without user, query or fragment; `undefined` for anything else.
 * Nothing is decoded: a path has one spelling, the one that was sent.
 */
export function readProofTarget(uri: string): ProofTarget | undefined {
  const [, scheme, authority = '', path = '/'] = targetForm.exec(uri) ?? []
  if (scheme !== 'http' && scheme !== 'https') return undefined
  const lower = authority.toLowerCase()
  const port = scheme === 'https' ? ':443' : ':80'
  return { scheme, authority: lower.endsWith(port) ? lower.slice(0, -port.length) : lower, path }
}

/** What a proof is made from. */
export interface ProofParts {
  readonly signer: ProofSigner
  /** The token that it goes with: the characters of the `Quantum-IP` field. */
  readonly token: string
  /** The URI that is asked, with or without query. */
  readonly uri: string
  readonly nowS: number
  /** Random, used once: 16 bytes and more. */
  readonly nonce: Uint8Array
  /** Seconds that it holds, at most 60. Default 30. */
  readonly ttlS?: number
}

/**
 * Makes a proof that the caller has the key that `token` is bound to, for one request.
 *
 * @throws {TokenError} `QIP_TOKEN_REQUEST_PART_MALFORMED` for a URI that no proof can be for.
 * @throws {TypeError} for a lifetime out of its range, or a nonce of less than 16 bytes.
 */
export async function signProofToken(parts: ProofParts): Promise<string> {
  const { signer, token, uri, nowS, nonce, ttlS = 30 } = parts
  if (!(Number.isInteger(ttlS) && ttlS >= 1 && ttlS <= limits.proofTtlMaxS))
    throw new TypeError('not a lifetime')
  if (nonce.length < 16 || nonce.length > 64) throw new TypeError('not a nonce')
  const aud = uri.replace(/[?#].*$/s, '')
  if (readProofTarget(aud) === undefined || aud.length > targetCharsMax) {
    const reason = 'it is not an http or https URI without user'
    throw new TokenError('QIP_TOKEN_REQUEST_PART_MALFORMED', { part: 'target URI', reason })
  }
  const { alg, jwk } = signer.key
  const header = base64url(utf8(JSON.stringify({ alg, jwk, typ: 'wpt+jwt' })))
  const iat = Math.floor(nowS)
  const wth = base64url(proofTokenHash(token))
  const payload = base64url(utf8(JSON.stringify({ aud, exp: iat + ttlS, iat, jti: base64url(nonce), wth })))
  const signed = `${header}.${payload}`
  return `${signed}.${base64url(await signer.sign(utf8(signed)))}`
}

// With the key and signature of ML-DSA-44 the proof stays within one field.
const targetCharsMax = 1_200

/** What a proof names of the token that it goes with (`wth`): SHA-256 of its characters. */
export function proofTokenHash(token: string): Uint8Array {
  return sha256(Buffer.from(token, 'latin1'))
}

/**
 * Verifies that the key in the proof signed it, on the thread pool, and returns the proof. Whether that key counts, and everything
 * about request, time and token, is for the caller to check.
 *
 * @throws {CryptoError} `QIP_CRYPTO_SIGNATURE_INVALID` unless the signature holds.
 */
export async function verifyProofToken(proof: ProofToken): Promise<ProofToken> {
  const { key, signingInput: message, signature } = proof
  await verifyProofSignature({ key, message, signature })
  return proof
}
