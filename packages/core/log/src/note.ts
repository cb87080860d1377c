import { base64, concatBytes, isQipError, parseBase64, parseUtf8, u32be } from '@quantum-ip/base'
import { checkNoteName } from '@quantum-ip/crypto'
import { LogError } from './log-errors.ts'

/** One signature line of a note. */
export interface NoteSignature {
  readonly name: string
  /** u32. A hint only: keys may collide. */
  readonly keyId: number
  /** What follows the key ID: for cosignatures `u64be timestamp ‖ signature`. */
  readonly signature: Uint8Array
}

/** A note taken apart. Its text means nothing before `verifyNote`. */
export interface Note {
  /** Ends in a newline. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** Limits of a note: c2sp.org/signed-note asks for at least 16 signatures; an ML-DSA-44 line has 3.3 KB. */
export const noteLimits = { bytesMax: 524_288, signaturesMax: 64 } as const

const dash = '\u2014 '

function malformed(reason: string): LogError {
  return new LogError('QIP_LOG_NOTE_MALFORMED', { reason })
}

function wellFormed(note: string | Uint8Array): string {
  if (note.length > noteLimits.bytesMax) throw malformed(`longer than ${noteLimits.bytesMax} bytes`)
  if (typeof note !== 'string') {
    try {
      return parseUtf8(note)
    } catch {
      throw malformed('not UTF-8')
    }
  }
  if (!note.isWellFormed()) throw malformed('not Unicode')
  return note
}

/**
 * Takes a signed note apart ({@link https://c2sp.org/signed-note c2sp.org/signed-note}): text, blank line, one or more signature lines.
 * Nothing is verified.
 *
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED` for control characters, a missing newline or blank line, more than
 * 64 signatures, names with spaces or `+`, or base64 that is not canonical.
 */
export function parseNote(note: string | Uint8Array): Note {
  const whole = wellFormed(note)
  // oxlint-disable-next-line no-control-regex -- the specification forbids exactly these
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw malformed('has control characters')
  // The text may have blank lines: the last one separates.
  const split = whole.lastIndexOf('\n\n')
  if (split < 0) throw malformed('has no blank line before the signatures')
  const lines = whole.slice(split + 2).split('\n')
  if (lines.pop() !== '') throw malformed('does not end in a newline')
  if (lines.length === 0) throw malformed('has no signatures')
  if (lines.length > noteLimits.signaturesMax)
    throw malformed(`has more than ${noteLimits.signaturesMax} signatures`)
  return { text: whole.slice(0, split + 1), signatures: lines.map(parseNoteSignature) }
}

/**
 * Parses one signature line, without its newline: `— <name> <base64(u32be key ID ‖ signature)>`.
 *
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED`.
 */
export function parseNoteSignature(line: string): NoteSignature {
  const [name, encoded, ...more] = line.startsWith(dash) ? line.slice(dash.length).split(' ') : []
  if (name === undefined || encoded === undefined || more.length > 0)
    throw malformed('has a line that is no signature')
  try {
    checkNoteName(name)
    const bytes = parseBase64(encoded)
    if (bytes.length <= 4) throw malformed('has an empty signature')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return { name, keyId: view.getUint32(0), signature: bytes.subarray(4) }
  } catch (error) {
    if (error instanceof LogError || !isQipError(error)) throw error
    throw malformed('has a signature line with a malformed name or base64')
  }
}

/**
 * One signature line, without its newline.
 *
 * @throws {CryptoError} `QIP_CRYPTO_VKEY_MALFORMED` for a name that a note cannot carry.
 */
export function formatNoteSignature({ name, keyId, signature }: NoteSignature): string {
  checkNoteName(name)
  return `${dash}${name} ${base64(concatBytes(u32be(keyId), signature))}`
}

/**
 * The inverse of {@link parseNote}.
 *
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED` if the text does not end in a newline, or the result is not a note.
 */
export function formatNote({ text, signatures }: Note): string {
  if (!text.endsWith('\n')) throw malformed('text does not end in a newline')
  const note = `${text}\n${signatures.map((signature) => `${formatNoteSignature(signature)}\n`).join('')}`
  parseNote(note)
  return note
}
