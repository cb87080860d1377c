import { Buffer } from 'node:buffer'
import { limits } from '@quantum-ip/base'
import type { PackedProof } from '@quantum-ip/log'
import type { Claims } from './claims.ts'
import { type KeySig, readKeySigs } from './key-signature.ts'
import type { MerkleToken } from './merkle-token.ts'
import { claimsLeafHash, tokenDigest } from './token-entry.ts'
import { TokenRefusal } from './token-refusal.ts'
import { CborReader, viewOf } from './lib/cbor-reader.ts'
import { readClaimsMap } from './lib/claims-reader.ts'
import { refusals } from './lib/refusals.ts'
import { readSubtree } from './lib/subtree-reader.ts'

/*
 * qip1.<base64url of>
 * [ claims : bstr            ; deterministic CBOR map
 * , key    : bstr .size 4    ; C2SP key ID of the issuing cosigner
 * , index  : uint            ; in the token log, < 2^48
 * , start  : uint, end : uint; covering subtree [start, end), end - start <= 65,536
 * , path   : bstr            ; 0..16 hashes of 32 bytes, leaf's sibling first
 * , ? sigs : [1*4 keysig]    ; standalone form only
 * ]
 */

const prefix = 'qip1.'
/** Shorter than this, in whole, a text says too little to be called truncated. */
const truncatedCharsMin = 16
const tokenBytesMax = Math.floor(((limits.tokenCharsMax - prefix.length) * 3) / 4)

/**
 * Reads the text of a Merkle token: the token, or why it is none. Never throws; the form of
 * `parseMerkleToken` for the hot path, where refusing must not cost more than accepting.
 */
export function readMerkleToken(text: string): MerkleToken | TokenRefusal {
  if (text.length > limits.tokenCharsMax) return refusals.tooLong
  if (!text.startsWith(prefix)) return refusals.prefix
  if (text.length < truncatedCharsMin) return refusals.tooShort
  const body = text.slice(prefix.length)
  const bytes = Buffer.from(body, 'base64url')
  // Node skips foreign characters and spare bits: one spelling for one value, so encode again and compare.
  const encoded = bytes.toString('base64url')
  const canonical = encoded === body
  if (!canonical && !isCut(body, encoded)) return refusals.alphabet
  try {
    const token = readToken(new CborReader(bytes, tokenBytesMax), bytes)
    return canonical ? token : refusals.alphabet
  } catch (refusal) {
    if (refusal instanceof TokenRefusal) return refusal
    throw refusal
  }
}

// Where base64url is cut, its last group of 1 to 3 characters may hold bits of a byte that is lost.
function isCut(body: string, encoded: string): boolean {
  const whole = body.length - (body.length % 4)
  return encoded.slice(0, whole) === body.slice(0, whole) && /^[A-Za-z0-9_-]{1,3}$/.test(body.slice(whole))
}

function readToken(reader: CborReader, bytes: Buffer): MerkleToken {
  const items = reader.array(6, 7)
  const claimsSize = reader.bytesHead(1, limits.claimsBytesMax)
  const claimsAt = reader.at
  const outer = reader.enter(claimsSize)
  const claims = readClaimsMap(reader)
  reader.leave(outer)
  reader.bytesHead(4, 4)
  const keyId = reader.u32()
  const index = reader.uint(limits.logIndexEnd - 1)
  const { start, end } = readSubtree(reader)
  if (index < start || index >= end) throw refusals.subtree
  const pathSize = reader.bytesHead(0, 32 * limits.pathHashesMax)
  if (pathSize % 32 !== 0) throw refusals.size
  const path = { bytes: viewOf(bytes, 0, bytes.length), offset: reader.at, count: pathSize / 32 }
  reader.skip(pathSize)
  const sigs = items === 7 ? readKeySigs(reader) : noSigs
  reader.finish()
  const claimsBytes = viewOf(bytes, claimsAt, claimsAt + claimsSize)
  return new ParsedMerkleToken({ claims, claimsBytes, keyId, index, start, end, path, sigs })
}

const noSigs: readonly KeySig[] = Object.freeze([])

type Parts = Omit<MerkleToken, 'form' | 'digest' | 'leafHash'>

class ParsedMerkleToken implements MerkleToken {
  readonly form: 'compact' | 'standalone'
  readonly claims: Claims
  readonly claimsBytes: Uint8Array
  readonly keyId: number
  readonly index: number
  readonly start: number
  readonly end: number
  readonly path: PackedProof
  readonly sigs: readonly KeySig[]
  #digest: Uint8Array | undefined
  #leafHash: Uint8Array | undefined

  constructor(parts: Parts) {
    this.form = parts.sigs.length === 0 ? 'compact' : 'standalone'
    this.claims = parts.claims
    this.claimsBytes = parts.claimsBytes
    this.keyId = parts.keyId
    this.index = parts.index
    this.start = parts.start
    this.end = parts.end
    this.path = parts.path
    this.sigs = parts.sigs
  }

  // Not in the parser: most refusals come before the proof, and the leaf hash does not need it as an array.
  get digest(): Uint8Array {
    return (this.#digest ??= tokenDigest(this.claimsBytes))
  }

  get leafHash(): Uint8Array {
    return (this.#leafHash ??= claimsLeafHash(this.claimsBytes, this.claims.exp))
  }
}
