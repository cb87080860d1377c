import { base64, parseBase64 } from '@quantum-ip/base'
import { parseDecimal, parseHash } from './checkpoint.ts'
import { verifyInclusion } from './inclusion.ts'
import { LogError } from './log-errors.ts'
import { noteLimits, parseNote } from './note.ts'
import { type CheckpointToVerify, type VerifiedCheckpoint, verifyCheckpoint } from './signed-checkpoint.ts'

/** A proof that holds offline: that an entry is at `index` of a log with this signed checkpoint (c2sp.org/tlog-proof). */
export interface TlogProof {
  readonly index: number
  /** The leaf's sibling first. */
  readonly proof: readonly Uint8Array[]
  /** The signed checkpoint, verbatim. */
  readonly checkpoint: string
  /** Opaque, and **not authenticated**. */
  readonly extra?: Uint8Array
}

const magic = 'c2sp.org/tlog-proof@v1'

function malformed(line: number, reason: string): LogError {
  return new LogError('QIP_LOG_TLOG_PROOF_MALFORMED', { line, reason })
}

/**
 * Parses a tlog-proof ({@link https://c2sp.org/tlog-proof c2sp.org/tlog-proof}). Nothing is verified.
 *
 * @throws {LogError} `QIP_LOG_TLOG_PROOF_MALFORMED` with the number of the line · `QIP_LOG_NOTE_MALFORMED`.
 */
export function parseTlogProof(text: string): TlogProof {
  if (text.length > 2 * noteLimits.bytesMax) throw malformed(1, 'is too long')
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed(1, 'no blank line before the checkpoint')
  const lines = text.slice(0, split).split('\n')
  if (lines[0] !== magic) throw malformed(1, `is not \`${magic}\``)
  const extra = parseExtra(lines[1])
  const at = extra === undefined ? 1 : 2
  const indexLine = lines[at] ?? ''
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice('index '.length)) : undefined
  if (index === undefined) throw malformed(at + 1, 'is not `index <decimal>`')
  // 63 hashes reach over every tree that can be numbered.
  if (lines.length - at - 1 > 63) throw malformed(at + 65, 'too many hashes')
  const proof = lines.slice(at + 1).map((line, nth) => {
    const hash = parseHash(line)
    if (hash === undefined) throw malformed(at + 2 + nth, 'is not a hash in base64')
    return hash
  })
  const checkpoint = text.slice(split + 2)
  parseNote(checkpoint)
  return { index, proof, checkpoint, ...(extra === undefined ? {} : { extra }) }
}

function parseExtra(line: string | undefined): Uint8Array | undefined {
  if (line === undefined || !line.startsWith('extra ')) return undefined
  try {
    return parseBase64(line.slice('extra '.length))
  } catch {
    throw malformed(2, 'extra data are not base64')
  }
}

/**
 * The inverse of {@link parseTlogProof}.
 *
 * @throws {LogError} `QIP_LOG_TLOG_PROOF_MALFORMED` · `QIP_LOG_NOTE_MALFORMED` if it would not parse.
 */
export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  const lines = [magic]
  if (extra !== undefined) lines.push(`extra ${base64(extra)}`)
  lines.push(`index ${index}`, ...proof.map(base64))
  const text = `${lines.join('\n')}\n\n${checkpoint}`
  parseTlogProof(text)
  return text
}

/**
 * Verifies a tlog-proof for an entry: the checkpoint as {@link verifyCheckpoint} does, then the inclusion of `leafHash`. Returns the
 * checkpoint.
 *
 * @throws {LogError} what {@link parseTlogProof}, {@link verifyCheckpoint} and {@link verifyInclusion} throw.
 */
export async function verifyTlogProof(
  input: Omit<CheckpointToVerify, 'note'> & {
    readonly proof: string | TlogProof
    readonly leafHash: Uint8Array
  },
): Promise<VerifiedCheckpoint> {
  const { proof: given, leafHash, ...trust } = input
  const { index, proof, checkpoint: note } = typeof given === 'string' ? parseTlogProof(given) : given
  const checkpoint = await verifyCheckpoint({ ...trust, note })
  verifyInclusion({ index, size: checkpoint.size, leafHash, proof, root: checkpoint.root })
  return checkpoint
}
