import { isQipError } from '@quantum-ip/base'
import {
  type NoteVerifierKey,
  noteKeyTypes,
  noteVerifierKey,
  type PublicKey,
  type Signer,
  signVerified,
  verifySignature,
} from '@quantum-ip/crypto'
import { LogError } from './log-errors.ts'
import type { Subtree } from './subtree.ts'
import { subtreeMessage } from './subtree-message.ts'

/** A subtree of a log, with its hash of 32 bytes. */
export interface SubtreeHead extends Subtree {
  readonly origin: string
  readonly hash: Uint8Array
}

/** One signature over a subtree, as tokens and staples carry it: `u32be keyId ‖ signature`. */
export interface SubtreeSignature {
  readonly keyId: number
  readonly signature: Uint8Array
}

/**
 * The verifier key of a cosigner of subtrees: ML-DSA-44 under type 06 (c2sp.org/tlog-cosignature), Ed25519 under the private type
 * `ff ‖ "quantum-ip.dev/subtree-ed25519/v1"`. Both sign the same `subtree/v1` bytes, with timestamp 0.
 *
 * @throws {LogError} `QIP_LOG_KEY_UNSUITABLE` for a key of another algorithm.
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` for a name that is not 1–255 bytes without spaces and `+`.
 */
export function subtreeVerifierKey(name: string, key: PublicKey): NoteVerifierKey {
  if (key.alg === 'ML-DSA-44') return noteVerifierKey({ name, type: noteKeyTypes.mlDsa44, key })
  if (key.alg === 'Ed25519') return noteVerifierKey({ name, type: noteKeyTypes.subtreeEd25519, key })
  throw new LogError('QIP_LOG_KEY_UNSUITABLE', { name, reason: `is of ${key.alg}, which signs no subtrees` })
}

/**
 * Signs a subtree with timestamp 0, and checks the signature before anybody sees it.
 *
 * The caller must have made sure that the subtree's entries are durable, and that nobody ever signs another hash for this
 * (origin, start, end).
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_KEY_UNSUITABLE`.
 * @throws {CryptoError} `QIP_CRYPTO_SIGNER_FAULTY` if the new signature does not hold.
 */
export async function signSubtree(
  head: SubtreeHead,
  by: { name: string; signer: Signer },
): Promise<SubtreeSignature> {
  const { keyId } = subtreeVerifierKey(by.name, by.signer.publicKey)
  const message = subtreeMessage({ ...head, cosigner: by.name, timestamp: 0 })
  return { keyId, signature: await signVerified(by.signer, message) }
}

/**
 * Verifies a signature over a subtree by `key`, and returns the subtree.
 *
 * @throws {LogError} `QIP_LOG_SIGNATURE_INVALID` unless it holds · `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_KEY_UNSUITABLE` if the
 * key's type signs no subtrees.
 */
export async function verifySubtreeSignature<Head extends SubtreeHead>(
  head: Head,
  key: NoteVerifierKey,
  signature: Uint8Array,
): Promise<Head> {
  if (key.type !== noteKeyTypes.mlDsa44 && key.type !== noteKeyTypes.subtreeEd25519) {
    throw new LogError('QIP_LOG_KEY_UNSUITABLE', {
      name: key.name,
      reason: 'is of a type that signs no subtrees',
    })
  }
  const message = subtreeMessage({ ...head, cosigner: key.name, timestamp: 0 })
  try {
    await verifySignature({ key: key.key, message, signature })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new LogError('QIP_LOG_SIGNATURE_INVALID', { name: key.name, type: key.key.alg }, { cause })
  }
  return head
}
