import { Buffer } from 'node:buffer'
import { limits } from '@quantum-ip/base'
import { checkClaims, claimsTooLong } from './claims-rules.ts'
import type { Claims } from './claims.ts'
import { CborReader } from './lib/cbor-reader.ts'
import * as write from './lib/cbor-writer.ts'
import { readClaimsMap } from './lib/claims-reader.ts'
import { writeClaimsMap } from './lib/claims-writer.ts'
import { TokenError } from './token-errors.ts'
import { TokenRefusal } from './token-refusal.ts'

/**
 * The one CBOR encoding of `claims`: what a Merkle token carries, and what its digest is the SHA-256 of.
 *
 * Core deterministic encoding (RFC 8949, section 4.2.1), at most 3,072 bytes. Above the parser, in
 * `lib/claims-reader.ts`, stands the layout in CDDL.
 *
 * @throws {TokenError} `QIP_TOKEN_CLAIMS_INVALID` for claims that no token may have.
 */
export function encodeClaims(claims: Claims): Uint8Array {
  checkClaims(claims)
  write.beginCbor()
  writeClaimsMap(claims)
  const size = write.cborSize()
  if (size > limits.claimsBytesMax) throw claimsTooLong(claims, size)
  return write.takeCbor()
}

/**
 * Decodes claims: accepts exactly what {@link encodeClaims} returns, byte for byte.
 *
 * Byte strings in the result are views of `bytes`.
 *
 * @throws {TokenError} `QIP_TOKEN_CLAIMS_MALFORMED` for anything else.
 */
export function decodeClaims(bytes: Uint8Array): Claims {
  try {
    if (bytes.length > limits.claimsBytesMax) throw tooLarge
    const reader = new CborReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), bytes.length)
    const claims = readClaimsMap(reader)
    reader.finish()
    return claims
  } catch (error) {
    if (!(error instanceof TokenRefusal)) throw error
    throw new TokenError('QIP_TOKEN_CLAIMS_MALFORMED', { reason: error.reason })
  }
}

const tooLarge = new TokenRefusal('there are too many bytes')
