import { equalBytes } from '@quantum-ip/base'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import { parseCheckpoint } from './checkpoint.ts'
import { parseEntryBundle } from './entry-bundle.ts'
import { hashSize, leafHashInto } from './hash.ts'
import type { HashTile } from './lib/hash-tile.ts'
import { TreeEdge } from './lib/tree-edge.ts'
import { LogError } from './log-errors.ts'
import type { LogHead, LogStorage } from './log-storage.ts'
import { parseNote } from './note.ts'
import { type LogSignature, type VerifiedCheckpoint, verifyCheckpoint } from './signed-checkpoint.ts'
import { type BundleId, type TileId, tileWidth, tileWidthMax } from './tile.ts'

/** How the contents of a log are read: from a directory, a URL, a database. The widths are those of the head's tree. */
export interface TileLogContents {
  /** The hashes of a tile, 32 bytes each; may hold more than `width`. */
  readTile(tile: TileId): Promise<Uint8Array>
  /** An entry bundle, `u16be length ‖ bytes` for each entry; may hold more than `width` entries. */
  readEntries(bundle: BundleId): Promise<Uint8Array>
  /** Called with each entry, in order, before the root is known to hold. */
  onEntry?(index: number, entry: Uint8Array): void
}

/**
 * Verifies a whole log against a trusted head: recomputes every tile of every level from the entries, compares it with what is
 * stored, and compares the root. Returns the head. Streams: memory does not grow with the log.
 *
 * @throws {LogError} `QIP_LOG_CORRUPT` where entries, a tile or the root differ · `QIP_LOG_BUNDLE_MALFORMED`.
 */
export async function verifyTileLogContents(head: LogHead, contents: TileLogContents): Promise<LogHead> {
  const edge = new TreeEdge()
  const hash = new Uint8Array(hashSize)
  for (let index = 0; index * tileWidthMax < head.size; index++) {
    const width = tileWidth(head.size, 0, index)
    const bundle = await contents.readEntries({ index, width })
    const entries = parseEntryBundle(bundle)
    if (entries.length < width) throw new LogError('QIP_LOG_CORRUPT', { what: `entry bundle ${index}` })
    edge.mark()
    for (const entry of entries.slice(0, width)) {
      leafHashInto(entry, hash, 0)
      contents.onEntry?.(edge.size, entry)
      edge.append(hash, 0)
    }
    // Tiles that this bundle has filled; at the end of the log also the partial ones that no bundle will fill.
    for (const tile of edge.changed()) if (tile.width === tileWidthMax) await compareTile(tile, contents)
  }
  for (const tile of edge.partial()) await compareTile(tile, contents)
  if (!equalBytes(edge.root(), head.root)) throw new LogError('QIP_LOG_CORRUPT', { what: 'root' })
  return { size: head.size, root: Uint8Array.from(head.root) }
}

async function compareTile(tile: HashTile, contents: TileLogContents): Promise<void> {
  const { level, index, width } = tile
  const stored = await contents.readTile({ level, index, width })
  if (!equalBytes(stored.subarray(0, width * hashSize), tile.hashes())) {
    throw new LogError('QIP_LOG_CORRUPT', { what: `tile ${index} of level ${level}` })
  }
}

/** The contents of a log as its storage holds them, for {@link verifyTileLogContents}. */
export function storedContents(storage: LogStorage): TileLogContents {
  return {
    readTile: async ({ level, index }) => (await storage.readTile(level, index)) ?? new Uint8Array(),
    readEntries: ({ index, width }) =>
      storage.readEntries(index * tileWidthMax, index * tileWidthMax + width),
  }
}

/** A whole log and what its reader trusts. */
export interface TileLogToVerify extends TileLogContents {
  /** The signed checkpoint. */
  readCheckpoint(): Promise<string | Uint8Array>
  /** The log's keys, and those of witnesses if their lines are to be checked. */
  readonly vkeys: readonly NoteVerifierKey[]
  /** The log it must be of. Default: whatever the keys have signed. */
  readonly origin?: string
  /** Default `ML-DSA-44`: Ed25519 alone is not sufficient. */
  readonly logSignature?: LogSignature
}

/**
 * Verifies a tile-based log (c2sp.org/tlog-tiles) whole: its checkpoint's signature, then every entry and tile as
 * {@link verifyTileLogContents} does. Returns the checkpoint.
 *
 * @throws {LogError} what {@link verifyCheckpoint} and {@link verifyTileLogContents} throw.
 */
export async function verifyTileLog(input: TileLogToVerify): Promise<VerifiedCheckpoint> {
  const { vkeys, logSignature } = input
  const note = parseNote(await input.readCheckpoint())
  const origin = input.origin ?? parseCheckpoint(note.text).origin
  const checkpoint = await verifyCheckpoint({
    note,
    origin,
    logKeys: vkeys,
    ...(logSignature === undefined ? {} : { logSignature }),
  })
  await verifyTileLogContents(checkpoint, input)
  return checkpoint
}
