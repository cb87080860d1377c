import { base64url, utf8 } from '@quantum-ip/base'
import {
  akpAlgorithm,
  type JwkMembers,
  jwkBytes,
  jwkMembers,
  jwkString,
  malformed,
} from './lib/jwk-members.ts'
import { sha256 } from './sha256.ts'

// The required members of each key type in lexicographic order (RFC 7638, section 3.2; RFC 8037, section 2; RFC 9964,
// section 6). Symmetric keys are left out: the thumbprint of a weak secret gives it away.
const requiredMembers: Readonly<Record<string, readonly string[]>> = {
  AKP: ['alg', 'kty', 'pub'],
  OKP: ['crv', 'kty', 'x'],
  EC: ['crv', 'kty', 'x', 'y'],
  RSA: ['e', 'kty', 'n'],
}

/**
 * The RFC 7638 thumbprint (SHA-256, base64url) of a JWK of kty AKP, OKP, EC or RSA, private or public: over the required
 * members only, whatever else it holds. The algorithm or curve need not be one of ours: a client binds its token to the
 * key that it has (`cnf`).
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED` for another key type, or members that are missing or not canonical.
 */
export function jwkThumbprint(jwk: unknown): string {
  const members = jwkMembers(jwk)
  const kty = jwkString(members, 'kty')
  const required = Object.hasOwn(requiredMembers, kty) ? requiredMembers[kty] : undefined
  if (required === undefined) throw malformed('`kty` is not one that has a thumbprint here')
  const canonical = required.map((name) => `"${name}":"${canonicalMember(members, name)}"`)
  return base64url(sha256(utf8(`{${canonical.join(',')}}`)))
}

// What goes between the quotes as it stands, so it must need no escapes there.
function canonicalMember(members: JwkMembers, name: string): string {
  if (name === 'alg') return akpAlgorithm(members)
  const text = jwkString(members, name)
  if (name === 'crv' || name === 'kty') {
    if (!/^[A-Za-z0-9-]{1,32}$/.test(text)) throw malformed(`\`${name}\` is not a registered name`)
  } else if (jwkBytes(members, name).length === 0) {
    throw malformed(`\`${name}\` is empty`)
  }
  return text
}
