import { base64url, equalBytes } from '@quantum-ip/base'
import {
  akpAlgorithm,
  checkJwkUse,
  type JwkMembers,
  jwkBytes,
  jwkMembers,
  jwkString,
  malformed,
  privateMember,
  privateRefused,
} from './lib/jwk-members.ts'
import {
  type KemKey,
  type KemPrivateKey,
  kemSecretBytes,
  parseKemKey,
  parseKemPrivateKey,
} from './kem-key.ts'

/** A public KEM key as AKP JWK: `alg` is `X-Wing` or `ML-KEM-768`. */
export interface KemJwk {
  readonly kty: 'AKP'
  readonly alg: string
  readonly pub: string
  readonly kid: string
}

/** A private KEM key as AKP JWK: `priv` is the seed. */
export interface PrivateKemJwk extends KemJwk {
  readonly priv: string
}

/**
 * Reads the public KEM key of an AKP JWK.
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED` for another key type, member or encoding.
 * @throws {CryptoError} `QIP_CRYPTO_JWK_PRIVATE` if it holds a secret.
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` or `QIP_CRYPTO_KEY_MALFORMED` as {@link parseKemKey} does.
 */
export function parseKemJwk(jwk: unknown): KemKey {
  const members = jwkMembers(jwk)
  const secret = privateMember(members)
  if (secret !== undefined) throw privateRefused(secret)
  return parseMembers(members)
}

/** The AKP JWK of a public KEM key. */
export function kemJwk({ alg, bytes, kid }: KemKey): KemJwk {
  return { kty: 'AKP', alg, pub: base64url(bytes), kid }
}

/**
 * Reads the private KEM key of an AKP JWK and checks that the public key belongs to it.
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED` for another key type, member or encoding, or a public key that is not
 *   the secret's.
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` or `QIP_CRYPTO_KEY_MALFORMED` as {@link parseKemKey} does.
 */
export function parsePrivateKemJwk(jwk: unknown): KemPrivateKey {
  const members = jwkMembers(jwk)
  const stated = parseMembers(members)
  const key = parseKemPrivateKey(stated.alg, jwkBytes(members, 'priv'))
  if (!equalBytes(key.publicKey.bytes, stated.bytes))
    throw malformed('the public key is not that of the private one')
  return key
}

/**
 * The JWK of a private KEM key, with its secret in the clear: for custody that seals it, and nothing else.
 *
 * @throws {TypeError} if `key` does not live in this process.
 */
export function privateKemJwk(key: KemPrivateKey): PrivateKemJwk {
  return { ...kemJwk(key.publicKey), priv: base64url(kemSecretBytes(key)) }
}

function parseMembers(members: JwkMembers): KemKey {
  if (jwkString(members, 'kty') !== 'AKP') throw malformed('`kty` is not `AKP`')
  checkJwkUse(members, { refused: 'sig' })
  return parseKemKey(akpAlgorithm(members), jwkBytes(members, 'pub'))
}
