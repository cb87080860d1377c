import type { NoteVerifierKey } from '@quantum-ip/crypto'
import {
  type NoteSigner,
  signNoteText,
  type VerifiedNoteSignature,
  verifyNoteSignature,
} from './cosignature.ts'
import { LogError } from './log-errors.ts'
import { formatNote, type Note, parseNote } from './note.ts'

/** A note and the keys that its reader knows. */
export interface NoteToVerify {
  readonly note: string | Uint8Array | Note
  /** From configuration or the trust bundle, never from the note. */
  readonly vkeys: readonly NoteVerifierKey[]
}

/** A note that at least one known key has signed. */
export interface VerifiedNote {
  /** What was signed by 01 and 04. Types 06 and ff cover only origin, size and root of a checkpoint, not lines that follow. */
  readonly text: string
  /** The signatures of known keys, in the order of the note; all hold. */
  readonly signatures: readonly VerifiedNoteSignature[]
}

/**
 * Verifies a signed note: signatures of unknown (name, key ID) are ignored, every one of a known key must hold, and there
 * must be at least one ({@link https://c2sp.org/signed-note c2sp.org/signed-note}, *Signatures*).
 *
 * Two lines of one key count once.
 *
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED` · `QIP_LOG_SIGNATURE_INVALID` if one of a known key does not hold ·
 * `QIP_LOG_NOTE_UNSIGNED` if no known key signed · `QIP_LOG_KEY_UNSUITABLE` if two keys share name and key ID.
 */
export async function verifyNote({ note, vkeys }: NoteToVerify): Promise<VerifiedNote> {
  const { text, signatures } = typeof note === 'string' || note instanceof Uint8Array ? parseNote(note) : note
  const keys = keyIndex(vkeys)
  const lines = signatures.flatMap((line) => {
    const key = keys.get(keyName(line))
    return key === undefined ? [] : [{ text, line, key }]
  })
  if (lines.length === 0) throw new LogError('QIP_LOG_NOTE_UNSIGNED', { known: keys.size })
  const verified = await Promise.all(lines.map(verifyNoteSignature))
  const first = new Map(verified.toReversed().map((signature) => [signature.key, signature]))
  return { text, signatures: verified.filter((signature) => first.get(signature.key) === signature) }
}

/**
 * Signs a text that ends in a newline, by each of the signers, and returns the note.
 *
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED` if it would not be a note · what {@link signNoteText} throws.
 */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  return formatNote({
    text,
    signatures: await Promise.all(signers.map((signer) => signNoteText(text, signer))),
  })
}

/** Key IDs are a hint: (name, key ID) names the key, as c2sp.org/signed-note has it. A name has no space. */
function keyName({ name, keyId }: { readonly name: string; readonly keyId: number }): string {
  return `${name} ${keyId}`
}

function keyIndex(vkeys: readonly NoteVerifierKey[]): Map<string, NoteVerifierKey> {
  const index = new Map<string, NoteVerifierKey>()
  for (const vkey of vkeys) {
    const other = index.get(keyName(vkey))
    if (other !== undefined && (other.key.kid !== vkey.key.kid || other.type !== vkey.type)) {
      throw new LogError('QIP_LOG_KEY_UNSUITABLE', {
        name: vkey.name,
        reason: 'shares its key ID with another key',
      })
    }
    index.set(keyName(vkey), other ?? vkey)
  }
  return index
}
