import { base64url, concatBytes, type Json, lengthPrefixed, limits, u64be, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { isValidSubtree } from '@quantum-ip/log'
import { parseHash } from './lib/members.ts'
import { trustLimits } from './payload-types.ts'
import { TrustError } from './trust-errors.ts'

/** The hash of a subtree of a token log, as the signed state lists it. */
export interface HeadRecord {
  /** The token log. */
  readonly origin: string
  /** First index under the subtree. */
  readonly start: number
  /** First index after it; `end - start` is at most 65,536. */
  readonly end: number
  /** 32 bytes. */
  readonly hash: Uint8Array
  /** The largest `exp` of a token under it, seconds since 1970: the head is of no use after that. */
  readonly exp: number
}

/** `headChain` before any head was listed: 32 zero bytes. */
export const headChainStart: Uint8Array = new Uint8Array(32)

const prefix = Uint8Array.of(1, 2)

/**
 * The bytes of a head that `headChain` takes in; lp(x) = u32be length ‖ x, as everywhere:
 *
 * ```
 * head = 01 (version) ‖ 02 (head) ‖ lp(origin, UTF-8) ‖ u64be start ‖ u64be end ‖ hash[32] ‖ u64be exp
 * ```
 *
 * @throws {TypeError} for a hash that isn't 32 bytes, or numbers that are no safe integers.
 */
export function encodeHead({ origin, start, end, hash, exp }: HeadRecord): Uint8Array {
  if (hash.length !== 32) throw new TypeError('a hash has 32 bytes')
  return concatBytes(prefix, lengthPrefixed(utf8(origin)), u64be(start), u64be(end), hash, u64be(exp))
}

/** `headChain` after `head`: SHA-256(previous ‖ {@link encodeHead}(head)), in the order in which states list heads. */
export function chainHead(previous: Uint8Array, head: HeadRecord): Uint8Array {
  return sha256(concatBytes(previous, encodeHead(head)))
}

/** A head as the state and the feed write it: `[origin, start, end, hash, exp]`. The inverse of {@link parseHead}. */
export function buildHead({ origin, start, end, hash, exp }: HeadRecord): Json[] {
  return [origin, start, end, base64url(hash), exp]
}

/**
 * Reads a head as {@link buildHead} writes it: a valid, not empty subtree of at most 65,536 leaves, as a token may name one.
 * Nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED`
 */
export function parseHead(json: Json): HeadRecord {
  return readHead(json, (reason) => {
    return new TrustError('QIP_TRUST_DOCUMENT_MALFORMED', { document: 'head', path: '', reason })
  })
}

/** {@link parseHead} for heads inside of a document: `malformed` makes the error. */
export function readHead(json: Json, malformed: (reason: string) => Error): HeadRecord {
  if (!Array.isArray(json) || json.length !== 5) throw malformed('is not a list of five')
  const [origin, start, end, hash, exp] = json as [Json, Json, Json, Json, Json]
  if (typeof origin !== 'string' || origin === '' || origin.length > trustLimits.nameCharsMax) {
    throw malformed('has no origin')
  }
  if (!isCount(start) || !isCount(end) || !isCount(exp)) throw malformed('has something else for a number')
  const isSubtree = start < end && end - start <= limits.subtreeLeavesMax && end <= limits.logIndexEnd
  if (!isSubtree || !isValidSubtree({ start, end })) throw malformed('is no subtree')
  return { origin, start, end, hash: parseHash(hash, () => malformed('has no hash')), exp }
}

function isCount(value: Json): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
