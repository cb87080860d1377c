import { base64url, equalBytes } from '@quantum-ip/base'
import type { AlgorithmOptions } from './algorithms.ts'
import {
  akpAlgorithm,
  checkJwkUse,
  hasMember,
  jwkBytes,
  type JwkMembers,
  jwkMembers,
  jwkString,
  malformed,
  privateMember,
  privateRefused,
} from './lib/jwk-members.ts'
import { parsePrivateKey, type PrivateKey, secretBytes } from './private-key.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'

/** A public AKP key of RFC 9964. */
export interface AkpPublicJwk {
  readonly kty: 'AKP'
  readonly alg: string
  readonly pub: string
  readonly kid: string
}

/** A public Ed25519 key of RFC 8037, with the fully specified `alg` of RFC 9864. */
export interface OkpPublicJwk {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly alg: 'Ed25519'
  readonly x: string
  readonly kid: string
}

/** A public key as JSON. */
export type PublicJwk = AkpPublicJwk | OkpPublicJwk

/** A private key as JSON: `priv` is the seed of an AKP key, `d` the one of an OKP key. */
export type PrivateJwk = (AkpPublicJwk & { readonly priv: string }) | (OkpPublicJwk & { readonly d: string })

/** What {@link parsePublicJwk} accepts. */
export interface PublicJwkOptions extends AlgorithmOptions {
  /**
   * What to do with `priv` or `d`. `refuse`, the default, finds the secret that was about to be published; `ignore`
   * takes the public half.
   */
  readonly privateMembers?: 'refuse' | 'ignore'
}

/**
 * Reads the public key of a JWK: AKP (RFC 9964, `alg` is required) or OKP with curve Ed25519 (RFC 8037; `alg` is
 * absent, `Ed25519` or the older `EdDSA`, which the curve makes unambiguous).
 *
 * `kid`, `x5c` and other members are no trust input: the key's name is always its thumbprint.
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED` for another key type, member or encoding.
 * @throws {CryptoError} `QIP_CRYPTO_JWK_PRIVATE` if it holds a secret, unless `privateMembers` is `ignore`.
 * @throws {CryptoError} `QIP_CRYPTO_KEY_MALFORMED`, `QIP_CRYPTO_ALGORITHM_UNKNOWN` or
 *   `QIP_CRYPTO_COMPOSITE_NOT_ALLOWED` as {@link parsePublicKey} does.
 */
export function parsePublicJwk(jwk: unknown, options: PublicJwkOptions = {}): PublicKey {
  const members = jwkMembers(jwk)
  const secret = privateMember(members)
  if (secret !== undefined && options.privateMembers !== 'ignore') throw privateRefused(secret)
  checkJwkUse(members, { refused: 'enc', operation: secret === undefined ? 'verify' : 'sign' })
  return parsePublicMembers(members, options)
}

/** The JWK of a public key. */
export function publicJwk(key: PublicKey): PublicJwk {
  const { alg, bytes, kid } = key
  if (alg === 'Ed25519') return { kty: 'OKP', crv: 'Ed25519', alg, x: base64url(bytes), kid }
  return { kty: 'AKP', alg, pub: base64url(bytes), kid }
}

/**
 * Reads the private key of a JWK and checks that its public members belong to it, since a signature under a wrong
 * public key gives an Ed25519 key away.
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED` for another key type, member or encoding, or a public key that is
 *   not the secret's.
 * @throws {CryptoError} as {@link parsePublicJwk} for the algorithm and lengths.
 */
export function parsePrivateJwk(jwk: unknown, options: AlgorithmOptions = {}): PrivateKey {
  const members = jwkMembers(jwk)
  checkJwkUse(members, { refused: 'enc', operation: 'sign' })
  const stated = parsePublicMembers(members, options)
  const secret = jwkBytes(members, stated.alg === 'Ed25519' ? 'd' : 'priv')
  const key = parsePrivateKey(stated.alg, secret, options)
  if (!equalBytes(key.publicKey.bytes, stated.bytes))
    throw malformed('the public key is not that of the private one')
  return key
}

/**
 * The JWK of a private key, with its secret in the clear: for custody that seals it, and nothing else.
 *
 * @throws {TypeError} if `key` does not live in this process.
 */
export function privateJwk(key: PrivateKey): PrivateJwk {
  const jwk = publicJwk(key.publicKey)
  const secret = base64url(secretBytes(key))
  return jwk.kty === 'OKP' ? { ...jwk, d: secret } : { ...jwk, priv: secret }
}

function parsePublicMembers(members: JwkMembers, options: AlgorithmOptions): PublicKey {
  if (jwkString(members, 'kty') === 'AKP') {
    const alg = akpAlgorithm(members)
    // An Ed25519 key has one spelling, OKP: two would give one key two thumbprints, and it would count twice.
    if (alg === 'Ed25519') throw malformed('an Ed25519 key is of kty `OKP`')
    return parsePublicKey(alg, jwkBytes(members, 'pub'), options)
  }
  checkOkp(members)
  return parsePublicKey('Ed25519', jwkBytes(members, 'x'))
}

function checkOkp(members: JwkMembers): void {
  if (jwkString(members, 'kty') !== 'OKP') throw malformed('`kty` is neither `AKP` nor `OKP`')
  if (jwkString(members, 'crv') !== 'Ed25519') throw malformed('`crv` is not `Ed25519`')
  if (!hasMember(members, 'alg')) return
  const alg = jwkString(members, 'alg')
  if (alg !== 'Ed25519' && alg !== 'EdDSA') throw malformed('`alg` is not `Ed25519`')
}
