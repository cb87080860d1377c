import { limits } from '@quantum-ip/base'
import type { PackedProof, Proof } from '@quantum-ip/log'
import type { Claims } from './claims.ts'
import { type KeySig, writeKeySigs } from './key-signature.ts'
import * as write from './lib/cbor-writer.ts'
import { readMerkleToken } from './read-merkle-token.ts'
import { isCoveringSubtree } from './lib/subtree-reader.ts'
import { TokenError } from './token-errors.ts'
import { TokenRefusal } from './token-refusal.ts'

/** What a Merkle token is put together from. */
export interface MerkleTokenParts {
  /** The claims as `encodeClaims` returned them. */
  readonly claimsBytes: Uint8Array
  /** C2SP key ID of the issuing cosigner, a u32. */
  readonly keyId: number
  /** Where the token log holds its entry, below 2^48. */
  readonly index: number
  /** The covering subtree [start, end). */
  readonly start: number
  readonly end: number
  /** The inclusion path in the subtree: 0 to 16 hashes of 32 bytes, the leaf's sibling first. */
  readonly path: Proof
  /** Signatures over the subtree, for the standalone form. */
  readonly sigs?: readonly KeySig[] | undefined
}

/** A Merkle token, parsed: well-formed, and nothing more. Byte strings are views of one decoded buffer. */
export interface MerkleToken extends MerkleTokenParts {
  readonly form: 'compact' | 'standalone'
  readonly claims: Claims
  /** Empty in the compact form. */
  readonly sigs: readonly KeySig[]
  /** The path packed, as `evaluateSubtreeInclusion` takes it: it was never cut apart. */
  readonly path: PackedProof
  /** SHA-256 of `claimsBytes`, the token's public name. Computed when first asked for. */
  readonly digest: Uint8Array
  /** The leaf hash of the token's log entry. Computed when first asked for. */
  readonly leafHash: Uint8Array
}

/**
 * The text of a Merkle token: `qip1.` and base64url of the CBOR array; standalone where `parts` has `sigs`.
 *
 * @param charsMax the longest text allowed: 4,096 characters, or less where issuance says so.
 * @throws {TokenError} `QIP_TOKEN_TOO_LONG` if the text would be longer.
 * @throws {TypeError} for parts that no log could have handed out.
 */
export function formatMerkleToken(parts: MerkleTokenParts, charsMax: number = limits.tokenCharsMax): string {
  checkParts(parts)
  const { claimsBytes, keyId, index, start, end, path, sigs } = parts
  const standalone = sigs !== undefined && sigs.length > 0
  write.beginCbor()
  write.writeByte(standalone ? 0x87 : 0x86)
  write.writeBytes(claimsBytes)
  write.writeByte(0x44)
  write.writeU32(keyId)
  write.writeUint(index)
  write.writeUint(start)
  write.writeUint(end)
  writePath(path)
  if (standalone) writeKeySigs(sigs)
  const chars = 'qip1.'.length + Math.ceil((write.cborSize() * 4) / 3)
  if (chars > Math.min(charsMax, limits.tokenCharsMax)) {
    throw new TokenError('QIP_TOKEN_TOO_LONG', { chars, charsMax })
  }
  return `qip1.${write.takeCborBase64url()}`
}

function checkParts({ claimsBytes, keyId, index, start, end }: MerkleTokenParts): void {
  if (claimsBytes.length === 0 || claimsBytes.length > limits.claimsBytesMax)
    throw new TypeError('not encoded claims')
  if (keyId >>> 0 !== keyId) throw new TypeError('a key ID is a u32')
  if (!isCoveringSubtree({ start, end })) throw new TypeError('not a covering subtree')
  if (!Number.isInteger(index) || index < start || index >= end)
    throw new TypeError('the index is not in the subtree')
}

function writePath(path: Proof): void {
  const count = 'count' in path ? path.count : path.length
  if (!Number.isInteger(count) || count < 0 || count > limits.pathHashesMax)
    throw new TypeError('a path has 0 to 16 hashes')
  write.writeHead(0x40, 32 * count)
  if ('count' in path) {
    if (path.offset + 32 * count > path.bytes.length)
      throw new TypeError('the path is shorter than its count')
    write.writeRaw(path.bytes.subarray(path.offset, path.offset + 32 * count))
  } else {
    for (const hash of path) {
      if (hash.length !== 32) throw new TypeError('a hash has 32 bytes')
      write.writeRaw(hash)
    }
  }
}

/**
 * Parses the text of a Merkle token, compact or standalone. Proves nothing: no hash is computed, no
 * signature checked.
 *
 * @throws {TokenError} `QIP_TOKEN_TRUNCATED` for the beginning of a token, by the truncation grammar.
 * @throws {TokenError} `QIP_TOKEN_MALFORMED` for anything else that is not exactly what {@link formatMerkleToken} writes.
 */
export function parseMerkleToken(text: string): MerkleToken {
  const token = readMerkleToken(text)
  if (!(token instanceof TokenRefusal)) return token
  if (token.truncated) throw new TokenError('QIP_TOKEN_TRUNCATED', { form: 'merkle' })
  throw new TokenError('QIP_TOKEN_MALFORMED', { form: 'merkle', reason: token.reason })
}
