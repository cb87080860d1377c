import { concatBytes, isQipError, u64be, utf8 } from '@quantum-ip/base'
import {
  type NoteKeyType,
  type NoteVerifierKey,
  noteKeyTypes,
  noteVerifierKey,
  type Signer,
  signVerified,
  verifySignature,
} from '@quantum-ip/crypto'
import { parseCheckpoint } from './checkpoint.ts'
import { LogError } from './log-errors.ts'
import type { NoteSignature } from './note.ts'
import { subtreeMessage } from './subtree-message.ts'

/** Somebody who signs notes. */
export interface NoteSigner {
  /** The key's name: of a log its origin. */
  readonly name: string
  readonly type: NoteKeyType
  readonly signer: Signer
  /** Seconds since 1970, for types 04 and 06: "this is the largest tree I have seen". Default 0: nothing of the kind. */
  readonly timestampS?: number
}

/** A signature of a note that holds. */
export interface VerifiedNoteSignature {
  readonly key: NoteVerifierKey
  /** Seconds since 1970; 0 where the signature says nothing of time. */
  readonly timestampS: number
}

/** Whether signatures of the type begin with a timestamp. */
function isTimestamped(type: NoteKeyType): boolean {
  return type !== noteKeyTypes.ed25519
}

/**
 * What a signature of the type is over.
 *
 * - 01: the text (c2sp.org/signed-note)
 * - 04: `cosignature/v1\ntime <timestamp>\n` and the text (c2sp.org/tlog-cosignature, *Ed25519 signed message*)
 * - 06, and the private type ff: `subtree/v1` over origin, size and root, extension lines not covered (*ML-DSA-44 signed message*)
 */
function signedMessage(type: NoteKeyType, name: string, timestampS: number, text: string): Uint8Array {
  if (type === noteKeyTypes.ed25519) return utf8(text)
  if (type === noteKeyTypes.ed25519Cosignature) return utf8(`cosignature/v1\ntime ${timestampS}\n${text}`)
  const { origin, size, root } = parseCheckpoint(text)
  return subtreeMessage({ cosigner: name, timestamp: timestampS, origin, start: 0, end: size, hash: root })
}

/**
 * Signs the text of a note, and checks the signature before anybody sees it.
 *
 * @throws {LogError} `QIP_LOG_CHECKPOINT_MALFORMED` if type 06 or ff is to sign what is no checkpoint.
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` for a name that a note cannot carry, or a key of another algorithm than the
 * type's · `QIP_CRYPTO_SIGNER_FAULTY` if the new signature does not hold.
 */
export async function signNoteText(text: string, by: NoteSigner): Promise<NoteSignature> {
  const { name, type, signer, timestampS = 0 } = by
  const { keyId } = noteVerifierKey({ name, type, key: signer.publicKey })
  const signature = await signVerified(signer, signedMessage(type, name, timestampS, text))
  return {
    name,
    keyId,
    signature: isTimestamped(type) ? concatBytes(u64be(timestampS), signature) : signature,
  }
}

/**
 * Verifies one signature line of a note by the key that it names.
 *
 * @throws {LogError} `QIP_LOG_SIGNATURE_INVALID` unless it holds; a text that the type cannot sign is no different.
 */
export async function verifyNoteSignature(input: {
  readonly text: string
  readonly line: NoteSignature
  readonly key: NoteVerifierKey
}): Promise<VerifiedNoteSignature> {
  const { text, line, key } = input
  const { name, type } = key
  try {
    const { timestampS, signature } = isTimestamped(type)
      ? parseTimestamped(line.signature)
      : { timestampS: 0, signature: line.signature }
    const message = signedMessage(type, name, timestampS, text)
    await verifySignature({ key: key.key, message, signature })
    return { key, timestampS }
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new LogError('QIP_LOG_SIGNATURE_INVALID', { name, type: key.key.alg }, { cause })
  }
}

/** `u64be timestamp ‖ signature`. Timestamps from 2^53 on are as invalid as those from 2^63 on. */
function parseTimestamped(bytes: Uint8Array): { timestampS: number; signature: Uint8Array } {
  if (bytes.length <= 8)
    throw new LogError('QIP_LOG_NOTE_MALFORMED', { reason: 'has a cosignature without timestamp' })
  const timestamp = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0)
  if (timestamp > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new LogError('QIP_LOG_NOTE_MALFORMED', { reason: 'has a timestamp that is too large' })
  }
  return { timestampS: Number(timestamp), signature: bytes.subarray(8) }
}
