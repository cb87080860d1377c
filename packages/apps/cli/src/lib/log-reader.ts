import { parseUtf8 } from '@quantum-ip/base'
import { noteKeyTypes, type NoteVerifierKey } from '@quantum-ip/crypto'
import {
  type Checkpoint,
  emptyRoot,
  leafHash,
  type Log,
  openLog,
  parseCheckpoint,
  parseNote,
  sliceEntryBundle,
  tileWidth,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  verifyInclusion,
  verifyTileLogContents,
} from '@quantum-ip/log'
import { CliError } from '../cli-errors.ts'
import type { LogSource } from './log-source.ts'
import { plural } from './plural.ts'

/** How tiles and entries of a log are read. */
export type LogContents = Pick<LogSource, 'readTile' | 'readEntries'>

/** A log whose newest checkpoint was verified. */
export interface VerifiedLog {
  readonly checkpoint: VerifiedCheckpoint
  /** The checkpoint as it was served. */
  readonly note: string
  /** The entry at `index`, and the proof that the checkpoint's tree holds it. @throws {LogError} */
  prove(index: number): Promise<{ readonly entry: Uint8Array; readonly proof: readonly Uint8Array[] }>
  /** Recomputes every tile from the entries. @throws {LogError} */
  verifyWhole(onEntry: (index: number, entry: Uint8Array) => void): Promise<void>
}

/**
 * Reads the newest checkpoint of a log, and verifies it: of the origin asked for, and signed by one of `vkeys`. Where there is an
 * ML-DSA-44 key among them, it must have signed.
 *
 * @throws {LogError} as `verifyCheckpoint`
 */
export async function openVerifiedLog(
  source: LogSource,
  vkeys: readonly NoteVerifierKey[],
  origin?: string,
): Promise<VerifiedLog> {
  const bytes = await source.readCheckpoint()
  const note = parseNote(bytes)
  const isPostQuantum = vkeys.some(({ type }) => type === noteKeyTypes.mlDsa44)
  const checkpoint = await verifyCheckpoint({
    note,
    origin: origin ?? parseCheckpoint(note.text).origin,
    logKeys: vkeys,
    logSignature: isPostQuantum ? 'ML-DSA-44' : 'any',
  })
  const prove = proverAt(source, checkpoint)
  return {
    checkpoint,
    note: typeof bytes === 'string' ? bytes : parseUtf8(bytes),
    prove,
    async verifyWhole(onEntry) {
      await verifyTileLogContents(checkpoint, { ...source, onEntry })
    },
  }
}

/**
 * Reads entries of a log whose tree is trusted already, each with the proof that the tree holds it.
 *
 * @throws {CliError} `QIP_CLI_NOT_FOUND` beyond the tree · {@link LogError}
 */
export function proverAt(source: LogContents, head: Checkpoint): VerifiedLog['prove'] {
  let log: Promise<Log> | undefined
  return async (index) => {
    if (index >= head.size) throw noEntry(index, head)
    log ??= openLog({ storage: storageOf(source, head), origin: head.origin })
    const entry = await (await log).entry(index)
    const proof = await (await log).inclusionProof(index)
    const { size, root } = head
    verifyInclusion({ index, size, leafHash: leafHash(entry), proof, root })
    return { entry, proof }
  }
}

function noEntry(index: number, { origin, size }: Checkpoint): CliError {
  return new CliError('QIP_CLI_NOT_FOUND', {
    what: `entry ${index} in \`${origin}\``,
    next: `its tree has ${plural(size, 'entry', 'entries')}, from 0 on`,
  })
}

// What the appender's own reader asks of a storage: it checks the right edge against the root, and each tile against its parent.
function storageOf(source: LogContents, { size, root }: Checkpoint) {
  return {
    head: () => Promise.resolve(size === 0 ? { size, root: emptyRoot() } : { size, root }),
    commit: () => Promise.resolve('conflict' as const),
    readTile: async (level: number, index: number) => {
      const width = tileWidth(size, level, index)
      return width === 0 ? undefined : source.readTile({ level, index, width })
    },
    readEntries: async (start: number, end: number) => {
      const parts: Uint8Array[] = []
      for (let index = Math.floor(start / 256); index * 256 < end; index++) {
        const bundle = { index, width: tileWidth(size, 0, index) }
        const from = Math.max(start - index * 256, 0)
        const to = Math.min(end - index * 256, bundle.width)
        parts.push(sliceEntryBundle(await source.readEntries(bundle), from, to))
      }
      return Buffer.concat(parts)
    },
  }
}
