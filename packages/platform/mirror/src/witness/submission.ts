import { base64, parseBase64, parseUtf8 } from '@quantum-ip/base'
import { noteLimits, parseCheckpoint, parseNote } from '@quantum-ip/log'
import { MirrorError } from '../mirror-errors.ts'

/** A request `POST add-checkpoint` (c2sp.org/tlog-witness). */
export interface Submission {
  /** The size that the submitter believes the witness to hold. */
  readonly old: number
  /** Consistency proof from `old` to the checkpoint's size. */
  readonly proof: readonly Uint8Array[]
  /** The checkpoint, a signed note. */
  readonly note: string
}

/** Hashes of a proof: at most 63 (c2sp.org/tlog-witness). */
const proofHashesMax = 63
/** Bytes of a request: the proof and the longest note. */
export const submissionBytesMax = 64 * 45 + 32 + noteLimits.bytesMax

function malformed(reason: string): MirrorError {
  return new MirrorError('QIP_MIRROR_SUBMISSION_MALFORMED', { reason })
}

/**
 * Reads the body of a request, `old <size>`, hashes in base64, an empty line, the note. Nothing is verified.
 *
 * @throws {MirrorError} `QIP_MIRROR_SUBMISSION_MALFORMED`, also where the old size is above the checkpoint's
 * @throws {LogError} `QIP_LOG_NOTE_MALFORMED` · `QIP_LOG_CHECKPOINT_MALFORMED`
 */
export function parseSubmission(body: Uint8Array): Submission {
  if (body.length > submissionBytesMax) throw malformed('it is too long')
  const text = textOf(body)
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed('there is no empty line in front of the checkpoint')
  const [first = '', ...lines] = text.slice(0, split).split('\n')
  const old = parseSize(/^old (0|[1-9]\d{0,15})$/.exec(first)?.[1])
  if (old === undefined) throw malformed('it does not begin with `old` and a size')
  if (lines.length > proofHashesMax) throw malformed(`the proof has more than ${proofHashesMax} hashes`)
  const note = text.slice(split + 2)
  if (old > parseCheckpoint(parseNote(note).text).size)
    throw malformed('the old size is above that of the checkpoint')
  return { old, proof: lines.map((line) => parseHash(line)), note }
}

/** The body of a request. */
export function formatSubmission({ old, proof, note }: Submission): string {
  return `old ${old}\n${proof.map((hash) => `${base64(hash)}\n`).join('')}\n${note}`
}

/** A decimal number without leading zeros, `undefined` for anything else. */
export function parseSize(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,15})$/.test(text)) return undefined
  const size = Number(text)
  return Number.isSafeInteger(size) ? size : undefined
}

function textOf(body: Uint8Array): string {
  try {
    return parseUtf8(body)
  } catch {
    throw malformed('it is not UTF-8')
  }
}

function parseHash(line: string): Uint8Array {
  try {
    const hash = parseBase64(line)
    if (line.length === 44 && hash.length === 32) return Uint8Array.from(hash)
  } catch {
    // Told below.
  }
  throw malformed('the proof has a line that is no hash in base64')
}
