import { isQipError, parseBase64url } from '@quantum-ip/base'
import { CryptoError } from '../crypto-errors.ts'

/** The members of a JWK as they came. */
export type JwkMembers = Readonly<Record<string, unknown>>

const jwkMembersMax = 64

/** Checks that `value` is an object that can be a JWK. Unknown members stay and mean nothing (RFC 7517, section 4). */
export function jwkMembers(value: unknown): JwkMembers {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('it is not an object')
  if (Object.keys(value).length > jwkMembersMax) throw malformed(`it has more than ${jwkMembersMax} members`)
  return value as JwkMembers
}

/** The string `name` of a JWK, which must be there. */
export function jwkString(jwk: JwkMembers, name: string): string {
  // Own members only: `constructor` and the like are members of every object otherwise.
  const value = Object.hasOwn(jwk, name) ? jwk[name] : undefined
  if (typeof value !== 'string') throw malformed(`\`${name}\` is not a string`)
  return value
}

/** Whether the JWK has a member `name` of its own. */
export function hasMember(jwk: JwkMembers, name: string): boolean {
  return Object.hasOwn(jwk, name) && jwk[name] !== undefined
}

/** The bytes that the string `name` holds as canonical base64url; the error never quotes them. */
export function jwkBytes(jwk: JwkMembers, name: string): Uint8Array {
  const text = jwkString(jwk, name)
  try {
    return parseBase64url(text)
  } catch (error) {
    if (!isQipError(error)) throw error
    throw malformed(`\`${name}\` is not canonical base64url`)
  }
}

/** What a JWK's own `use` and `key_ops` must not contradict. */
export interface JwkUse {
  /** The value of `use` for the other kind of key. */
  readonly refused: 'enc' | 'sig'
  /** What `key_ops` must name, where there are any. No registered name fits a KEM. */
  readonly operation?: 'sign' | 'verify'
}

/**
 * Checks what a JWK says about its own use, as far as it says anything: `use` is not the one refused, and `key_ops` are
 * distinct and name the operation (RFC 7517, sections 4.2 and 4.3).
 */
export function checkJwkUse(jwk: JwkMembers, { refused, operation }: JwkUse): void {
  if (hasMember(jwk, 'use') && jwkString(jwk, 'use') === refused) throw malformed(`\`use\` is \`${refused}\``)
  if (operation === undefined || !hasMember(jwk, 'key_ops')) return
  const operations: unknown = jwk['key_ops']
  if (!Array.isArray(operations) || new Set(operations).size !== operations.length) {
    throw malformed('`key_ops` is not a list of distinct operations')
  }
  if (!operations.includes(operation)) throw malformed(`\`key_ops\` does not name \`${operation}\``)
}

/** The error for a JWK that is not one. `reason` names members, never their values. */
export function malformed(reason: string): CryptoError {
  return new CryptoError('QIP_CRYPTO_JWK_MALFORMED', { reason })
}

/** The name of the member that makes a JWK a private key, if it has one. */
export function privateMember(jwk: JwkMembers): 'priv' | 'd' | undefined {
  if (hasMember(jwk, 'priv')) return 'priv'
  return hasMember(jwk, 'd') ? 'd' : undefined
}

/** The error for a private key where a public one belongs. */
export function privateRefused(member: 'priv' | 'd'): CryptoError {
  return new CryptoError('QIP_CRYPTO_JWK_PRIVATE', { member })
}

/** The algorithm of an AKP key, which must name one (RFC 9964, section 3). */
export function akpAlgorithm(members: JwkMembers): string {
  const alg = jwkString(members, 'alg')
  // It goes into the thumbprint's canonical JSON as it stands, so it must need no escapes there.
  if (!/^[A-Za-z0-9_+.-]{1,64}$/.test(alg)) throw malformed('`alg` is not the name of an algorithm')
  return alg
}
