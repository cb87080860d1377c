import { base64, equalBytes, parseBase64 } from '@quantum-ip/base'
import { emptyRoot, hashSize } from './hash.ts'
import { LogError } from './log-errors.ts'
import { noteLimits } from './note.ts'

/** The head of a log, as it is signed (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  /** The log. */
  readonly origin: string
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
}

/** A parsed checkpoint text. */
export interface CheckpointText extends Checkpoint {
  /** Further lines. ML-DSA-44 signatures do not cover them: never trust them. */
  readonly extensions: readonly string[]
}

function malformed(line: number, reason: string): LogError {
  return new LogError('QIP_LOG_CHECKPOINT_MALFORMED', { line, reason })
}

/**
 * Parses a decimal number without sign and leading zeros.
 *
 * Returns `undefined` for anything else, and past 2^53 − 1: no log of this project comes near.
 */
export function parseDecimal(text: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,15})$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

/**
 * Parses a hash in canonical base64.
 *
 * Returns `undefined` for anything but 32 bytes in their one spelling.
 */
export function parseHash(text: string): Uint8Array | undefined {
  // 32 bytes are 43 characters and one `=`. Checked first, so that no long text is decoded.
  if (text.length !== 44) return undefined
  try {
    const hash = parseBase64(text)
    return hash.length === hashSize ? Uint8Array.from(hash) : undefined
  } catch {
    return undefined
  }
}

/**
 * Parses the text of a checkpoint note ({@link https://c2sp.org/tlog-checkpoint c2sp.org/tlog-checkpoint}): origin, size, root, and
 * extension lines if any, each line not empty. Nothing is verified, except that the empty tree has the empty root.
 *
 * @throws {LogError} `QIP_LOG_CHECKPOINT_MALFORMED` with the number of the line, from 1.
 */
export function parseCheckpoint(text: string): CheckpointText {
  if (text.length > noteLimits.bytesMax) throw malformed(1, 'text is too long')
  const lines = text.split('\n')
  if (lines.pop() !== '') throw malformed(lines.length + 1, 'does not end in a newline')
  const empty = lines.indexOf('')
  if (empty >= 0) throw malformed(empty + 1, 'is empty')
  const [origin, sizeLine, rootLine, ...extensions] = lines
  if (origin === undefined) throw malformed(1, 'origin is missing')
  if (!isOrigin(origin)) throw malformed(1, 'origin has control characters')
  if (sizeLine === undefined) throw malformed(2, 'size is missing')
  const size = parseDecimal(sizeLine)
  if (size === undefined) throw malformed(2, 'size is not a decimal number')
  const root = parseHash(rootLine ?? '')
  if (root === undefined) throw malformed(3, 'root is not a hash in base64')
  if (size === 0 && !equalBytes(root, emptyRoot())) throw malformed(3, 'root is not that of the empty tree')
  return { origin, size, root, extensions }
}

function isOrigin(origin: string): boolean {
  return origin !== '' && origin.isWellFormed() && !/\p{Cc}/u.test(origin)
}

/**
 * The text of a checkpoint note, of three lines.
 *
 * @throws {LogError} `QIP_LOG_CHECKPOINT_MALFORMED` if it would not parse.
 */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${base64(root)}\n`
  if (parseCheckpoint(text).extensions.length > 0) throw malformed(1, 'origin has control characters')
  return text
}
