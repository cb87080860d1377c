import { Buffer } from 'node:buffer'
import { isQipError, type Json, limits, trustDomainOf } from '@quantum-ip/base'
import { algorithmSizes, parseSignatureAlgorithm, type SignatureAlgorithm } from '@quantum-ip/crypto'
import { parseClaimsJson } from './claims-json.ts'
import { logNumberMax } from './claims-rules.ts'
import type { JwtToken, JwtTokenParts } from './jwt-token.ts'
import { tokenDigest, tokenLeafHash } from './token-entry.ts'
import { TokenRefusal } from './token-refusal.ts'
import { decodeBase64url, decodeJsonObject } from './lib/jws-parts.ts'
import { refusals } from './lib/refusals.ts'

/** What the truncation grammar needs to know to tell a truncated JWT from a malformed one. */
export interface JwtReadOptions {
  /** Whether a key of this thumbprint is known. Default: none is, so no JWT counts as truncated. */
  readonly isKnownKid?: ((kid: string) => boolean) | undefined
}

/*
 * BASE64URL({"alg": …, "kid": …, "typ": "qip+jwt"}) . BASE64URL(payload) . BASE64URL(signature)
 *
 * payload = { "iss": trust domain of sub, <claims>, "log": n, "idx": index }
 */

// 43 characters of kid, the longest alg and some space: 400 leave room for any order and white space.
const headerCharsMax = 400
const kidForm = /^[A-Za-z0-9_-]{43}$/
const base64urlForm = /^[A-Za-z0-9_-]*$/
const payloadCharsMax = Math.ceil((limits.claimsBytesMax * 4) / 3)

interface JwtHeader {
  readonly alg: SignatureAlgorithm
  readonly kid: string
}

/** Reads a token in the JWT form: the token, not verified, or why it is none. Never throws. */
export function readJwtToken(text: string, options: JwtReadOptions = {}): JwtToken | TokenRefusal {
  if (text.length > limits.headerFieldMax) return refusals.tooLong
  // {" in base64url. What is no JWS at all is turned away before any JSON is read.
  if (!text.startsWith('eyJ')) return refusals.prefix
  const headerEnd = dot(text, 0)
  if (headerEnd > headerCharsMax) return refusals.jwsHeader
  const header = readHeader(text.slice(0, headerEnd))
  if (header instanceof TokenRefusal) return header
  const payloadEnd = dot(text, headerEnd + 1)
  const payloadText = text.slice(headerEnd + 1, payloadEnd)
  if (payloadText.length > payloadCharsMax) return refusals.tooLong
  if (payloadEnd === text.length) {
    return base64urlForm.test(payloadText) ? cutOff(header, options) : refusals.alphabet
  }
  const payload = decodeBase64url(payloadText)
  if (payload === undefined) return refusals.alphabet
  const parts = readPayload(payload)
  if (parts === undefined) return refusals.jwsPayload
  const signature = readSignature(text.slice(payloadEnd + 1), header, options)
  if (signature instanceof TokenRefusal) return signature
  return new ParsedJwtToken({
    ...header,
    ...parts,
    payload,
    signingInput: Buffer.from(text.slice(0, payloadEnd), 'latin1'),
    signature,
  })
}

function dot(text: string, from: number): number {
  const at = text.indexOf('.', from)
  return at < 0 ? text.length : at
}

function cutOff({ kid }: JwtHeader, { isKnownKid }: JwtReadOptions): TokenRefusal {
  return isKnownKid?.(kid) === true ? refusals.ended : refusals.jwsShape
}

function readHeader(text: string): JwtHeader | TokenRefusal {
  const header = decodeJsonObject(decodeBase64url(text))
  if (header === undefined || Object.keys(header).length !== 3) return refusals.jwsHeader
  const { alg, kid, typ } = header as { alg?: Json; kid?: Json; typ?: Json }
  if (typ !== 'qip+jwt' || typeof kid !== 'string' || !kidForm.test(kid)) return refusals.jwsHeader
  const known = typeof alg === 'string' ? knownAlgorithms.get(alg) : undefined
  return known === undefined ? refusals.jwsHeader : { alg: known, kid }
}

// SLH-DSA is not among them: its signatures do not fit a header field.
const knownAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map(
  ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87', 'ML-DSA-44-Ed25519', 'ML-DSA-65-Ed25519'].map((name) => [
    name,
    parseSignatureAlgorithm(name, { composites: true }),
  ]),
)

function readSignature(text: string, header: JwtHeader, options: JwtReadOptions): Uint8Array | TokenRefusal {
  const size = algorithmSizes(header.alg).signatureBytes
  const chars = Math.ceil((size * 4) / 3)
  if (text.length > chars) return refusals.jwsSignature
  if (text.length < chars) return base64urlForm.test(text) ? cutOff(header, options) : refusals.alphabet
  return decodeBase64url(text) ?? refusals.alphabet
}

function readPayload(payload: Uint8Array): JwtTokenParts | undefined {
  const json = decodeJsonObject(payload)
  if (json === undefined) return undefined
  const { iss, log, idx, ...rest } = json
  if (!isIntegerUpTo(log, logNumberMax) || log === 0 || !isIntegerUpTo(idx, limits.logIndexEnd - 1))
    return undefined
  try {
    const claims = parseClaimsJson(rest)
    return iss === trustDomainOf(claims.sub) ? { claims, log, index: idx } : undefined
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

function isIntegerUpTo(value: Json | undefined, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
}

type Parts = Omit<JwtToken, 'form' | 'digest' | 'leafHash'>

class ParsedJwtToken implements JwtToken {
  readonly form = 'jwt'
  readonly alg: SignatureAlgorithm
  readonly kid: string
  readonly claims: JwtToken['claims']
  readonly log: number
  readonly index: number
  readonly payload: Uint8Array
  readonly signingInput: Uint8Array
  readonly signature: Uint8Array
  #digest: Uint8Array | undefined
  #leafHash: Uint8Array | undefined

  constructor(parts: Parts) {
    this.alg = parts.alg
    this.kid = parts.kid
    this.claims = parts.claims
    this.log = parts.log
    this.index = parts.index
    this.payload = parts.payload
    this.signingInput = parts.signingInput
    this.signature = parts.signature
  }

  get digest(): Uint8Array {
    return (this.#digest ??= tokenDigest(this.payload))
  }

  get leafHash(): Uint8Array {
    return (this.#leafHash ??= tokenLeafHash({ form: 'jwt', exp: this.claims.exp, digest: this.digest }))
  }
}
