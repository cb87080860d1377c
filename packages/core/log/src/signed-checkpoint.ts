import { type NoteVerifierKey, noteKeyTypes } from '@quantum-ip/crypto'
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
import type { NoteSigner, VerifiedNoteSignature } from './cosignature.ts'
import { LogError } from './log-errors.ts'
import { type Note, parseNote } from './note.ts'
import { signNote, verifyNote } from './signed-note.ts'

/**
 * Which signature of the log a checkpoint needs.
 *
 * - `ML-DSA-44`: a note signature of type 06. Ed25519 lines are extra, never sufficient: they fall with classical signatures.
 * - `any`: any known one. For logs of others, which may sign with Ed25519 only.
 */
export type LogSignature = 'ML-DSA-44' | 'any'

/** A checkpoint and what its reader relies on. */
export interface CheckpointToVerify {
  readonly note: string | Uint8Array | Note
  /** The log it must be of. */
  readonly origin: string
  /** The log's keys, from the trust bundle or configuration. */
  readonly logKeys: readonly NoteVerifierKey[]
  /** Witnesses. Their lines must hold where they are there. */
  readonly witnessKeys?: readonly NoteVerifierKey[]
  /** The number of witnesses, by distinct keys, that must have cosigned. Default 0. */
  readonly witnessesMin?: number
  /** Default `ML-DSA-44`. */
  readonly logSignature?: LogSignature
}

/** A checkpoint that the log has signed. */
export interface VerifiedCheckpoint extends Checkpoint {
  /** Those of the log and of known witnesses; all hold. */
  readonly signatures: readonly VerifiedNoteSignature[]
}

/**
 * Verifies a checkpoint: of this log, signed by it as required, and cosigned by enough witnesses. Extension lines are not returned:
 * an ML-DSA-44 signature does not cover them.
 *
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED` · `QIP_LOG_CHECKPOINT_MALFORMED` · `QIP_LOG_ORIGIN_MISMATCH` ·
 * `QIP_LOG_SIGNATURE_INVALID` if one by a known key does not hold · `QIP_LOG_CHECKPOINT_UNSIGNED` without the log's required
 * signature · `QIP_LOG_QUORUM_MISSING` · `QIP_LOG_KEY_UNSUITABLE`.
 */
export async function verifyCheckpoint(input: CheckpointToVerify): Promise<VerifiedCheckpoint> {
  const { origin, logKeys, witnessKeys = [], witnessesMin = 0, logSignature = 'ML-DSA-44' } = input
  const note =
    typeof input.note === 'string' || input.note instanceof Uint8Array ? parseNote(input.note) : input.note
  const { extensions: _, ...checkpoint } = parseCheckpoint(note.text)
  if (checkpoint.origin !== origin) {
    throw new LogError('QIP_LOG_ORIGIN_MISMATCH', { expected: origin, actual: checkpoint.origin })
  }
  const signatures = await knownSignatures(note, [...logKeys, ...witnessKeys])
  const counts = (signature: VerifiedNoteSignature) =>
    logSignature === 'any' || signature.key.type === noteKeyTypes.mlDsa44
  if (!signatures.filter(({ key }) => logKeys.includes(key)).some(counts)) {
    throw new LogError('QIP_LOG_CHECKPOINT_UNSIGNED', { origin, required: logSignature })
  }
  // One key under several names is one witness; and a log is no witness of itself.
  const logKids = new Set(logKeys.map(({ key }) => key.kid))
  const witnesses = new Set(
    signatures.flatMap(({ key }) => (witnessKeys.includes(key) ? [key.key.kid] : [])),
  ).difference(logKids)
  if (witnesses.size < witnessesMin) {
    throw new LogError('QIP_LOG_QUORUM_MISSING', { origin, required: witnessesMin, found: witnesses.size })
  }
  return { ...checkpoint, signatures }
}

async function knownSignatures(note: Note, vkeys: readonly NoteVerifierKey[]) {
  try {
    return (await verifyNote({ note, vkeys })).signatures
  } catch (error) {
    // Reported by the caller as the missing signature of the log, which says more.
    if (error instanceof LogError && error.code === 'QIP_LOG_NOTE_UNSIGNED') return []
    throw error
  }
}

/**
 * Signs a checkpoint by the log's keys, and returns the note. The signatures are checked before they leave.
 *
 * @throws {LogError} `QIP_LOG_CHECKPOINT_MALFORMED` · what `signNoteText` throws.
 */
export async function signCheckpoint(
  checkpoint: Checkpoint,
  signers: readonly NoteSigner[],
): Promise<string> {
  return signNote(formatCheckpoint(checkpoint), signers)
}
