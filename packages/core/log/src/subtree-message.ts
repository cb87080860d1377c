import { concatBytes, u64be, utf8 } from '@quantum-ip/base'
import { hashSize } from './hash.ts'
import { LogError } from './log-errors.ts'
import { type Subtree, verifySubtree } from './subtree.ts'

/** What a cosigner says of a subtree (or, where `start` is 0, of the tree of `end` leaves). */
export interface SubtreeStatement extends Subtree {
  /** The name of the cosigner's key, 1–255 bytes. */
  readonly cosigner: string
  /** Seconds since 1970: "and it is the largest I have seen". 0 says nothing of the kind, and is required where `start` is not 0. */
  readonly timestamp: number
  /** The log, as in its checkpoints; 1–255 bytes. */
  readonly origin: string
  /** 32 bytes. */
  readonly hash: Uint8Array
}

const label = utf8('subtree/v1\n\0')

function named(name: string): Uint8Array {
  const bytes = utf8(name)
  if (bytes.length === 0 || bytes.length > 255 || !name.isWellFormed()) {
    throw new LogError('QIP_LOG_KEY_UNSUITABLE', {
      name,
      reason: 'has a name or origin that is not 1 to 255 bytes',
    })
  }
  return concatBytes(Uint8Array.of(bytes.length), bytes)
}

/**
 * The bytes that a cosigner signs (c2sp.org/tlog-cosignature, *ML-DSA-44 signed message*):
 *
 * ```
 * struct { uint8 label[12] = "subtree/v1\n\0"; opaque cosigner_name<1..255>; uint64 timestamp;
 *          opaque log_origin<1..255>; uint64 start; uint64 end; uint8 hash[32]; }
 * ```
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_KEY_UNSUITABLE` if a name is not 1–255 bytes.
 */
export function subtreeMessage(statement: SubtreeStatement): Uint8Array {
  const { cosigner, timestamp, origin, start, end, hash } = statement
  if (hash.length !== hashSize) throw new TypeError('a hash has 32 bytes')
  verifySubtree(statement)
  if (start !== 0 && timestamp !== 0) throw new TypeError('only a whole tree has a timestamp')
  return concatBytes(label, named(cosigner), u64be(timestamp), named(origin), u64be(start), u64be(end), hash)
}
