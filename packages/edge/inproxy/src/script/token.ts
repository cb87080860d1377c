import {
  type Cursor,
  readBytesHead,
  readCount,
  readU32,
  readUint,
  refusal,
  refusalOf,
  takeBytes,
} from './cbor.ts'
import { readClaims, type ScriptClaims } from './claims.ts'
import type { Platform } from './platform.ts'

/** A compact token, read: well-formed, and nothing more. */
export interface ScriptToken {
  readonly claims: ScriptClaims
  readonly claimsBytes: Uint8Array
  /** C2SP key ID, 8 hexadecimal digits. */
  readonly keyId: string
  readonly index: number
  readonly start: number
  readonly end: number
  /** Inclusion path, packed. */
  readonly path: Uint8Array
}

/** What a text is that is no compact token; `other`: a form that only a verifier can check. */
export type NoToken = 'malformed' | 'truncated' | 'other'

const alphabet = /^[A-Za-z0-9_-]+$/

/** Reads the text of a compact token. Never throws for what was sent, proves nothing. */
export function readCompactToken(text: string, platform: Platform): ScriptToken | NoToken {
  if (!text.startsWith('qip1.')) return 'other'
  if (text.length > 4096 || text.length < 16) return 'malformed'
  const body = text.slice(5)
  if (!alphabet.test(body)) return 'malformed'
  // One character alone holds no byte: it is the beginning of a group that was cut.
  const bytes = platform.decode(body.length % 4 === 1 ? body.slice(0, -1) : body)
  try {
    const token = readToken({ bytes: bytes, at: 0, limit: 3068 }, platform)
    // Spare bits that are set: another spelling of the same bytes.
    return platform.encode(bytes) === body ? token : 'malformed'
  } catch (error) {
    return refusalOf(error as Error)
  }
}

function readToken(cursor: Cursor, platform: Platform): ScriptToken | NoToken {
  const items = readCount(cursor, 0x80, 6, 7)
  const claimsSize = readBytesHead(cursor, 1, 3072)
  const claimsAt = cursor.at
  const outer = cursor.limit
  cursor.limit = claimsAt + claimsSize
  const claims = readClaims(cursor, platform)
  if (cursor.at !== cursor.limit) throw refusal('malformed')
  cursor.limit = outer
  readBytesHead(cursor, 4, 4)
  const keyAt = cursor.at
  readU32(cursor)
  const index = readUint(cursor, 281474976710655)
  const start = readUint(cursor, 281474976710655)
  const end = readUint(cursor, 281474976710656)
  if (!isCovering(start, end) || index < start || index >= end) throw refusal('malformed')
  const pathSize = readBytesHead(cursor, 0, 512)
  if (pathSize % 32 !== 0) throw refusal('malformed')
  const path = takeBytes(cursor, pathSize)
  // Its own signatures: for the verifier.
  if (items === 7) return 'other'
  if (cursor.at !== cursor.bytes.length) throw refusal('malformed')
  return {
    claims: claims,
    claimsBytes: cursor.bytes.subarray(claimsAt, claimsAt + claimsSize),
    keyId: platform.hex(cursor.bytes.subarray(keyAt, keyAt + 4)),
    index: index,
    start: start,
    end: end,
    path: path,
  }
}

// A valid subtree of Merkle Tree Certificates, not empty, at most 65,536 leaves.
function isCovering(start: number, end: number): boolean {
  const size = end - start
  if (size <= 0 || size > 65536) return false
  let power = 1
  while (power < size) power *= 2
  return start % power === 0
}
