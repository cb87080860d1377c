import type { NoteVerifierKey } from '@quantum-ip/crypto'
import {
  bundlePath,
  type BundleId,
  type Checkpoint,
  emptyRoot,
  type Log,
  leafHash,
  type LogSignature,
  type LogStorage,
  noteLimits,
  openLog,
  sliceEntryBundle,
  type TileId,
  type TileLogContents,
  tilePath,
  tileWidth,
  tileWidthMax,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '@quantum-ip/log'
import { isNotFound } from './lib/problem.ts'
import type { Requester } from './request.ts'

/** Which log is read, and who signs it. */
export interface LedgerOptions {
  /** The log, `acme.example/tokens/7`. */
  readonly origin: string
  /** The log's keys, from the trust bundle or configuration. */
  readonly logKeys: readonly NoteVerifierKey[]
  /** Witnesses, and how many must have cosigned. Default: none. */
  readonly witnessKeys?: readonly NoteVerifierKey[]
  readonly witnessesMin?: number
  /** Default `ML-DSA-44`. */
  readonly logSignature?: LogSignature
}

/** An entry with the proof that the log holds it. */
export interface ProvenEntry {
  readonly index: number
  readonly entry: Uint8Array
  /** Leaf's sibling first, for the checkpoint's size. */
  readonly proof: readonly Uint8Array[]
  readonly checkpoint: VerifiedCheckpoint
}

/** A log that an authority or mirror serves as tiles (c2sp.org/tlog-tiles). Nothing that it returns rests on the server's word. */
export interface Ledger {
  readonly origin: string
  /**
   * The newest checkpoint, signed by the log as required.
   *
   * @throws {LogError} as `verifyCheckpoint` · {@link ClientError}
   */
  checkpoint(): Promise<VerifiedCheckpoint>
  /** The entry at `index`, proven to be in the tree of `checkpoint`. @throws {LogError} `QIP_LOG_OUT_OF_RANGE` · `QIP_LOG_CORRUPT` */
  entry(index: number, checkpoint: VerifiedCheckpoint): Promise<ProvenEntry>
  /**
   * Proves that the tree of `newer` begins with that of `older`, and returns the proof.
   *
   * @throws {LogError} `QIP_LOG_PROOF_MISMATCH` if it does not: the log was rewritten · `QIP_LOG_OUT_OF_RANGE` if it shrank
   */
  consistency(older: Checkpoint, newer: VerifiedCheckpoint): Promise<readonly Uint8Array[]>
  /** What `verifyTileLog` of `@quantum-ip/log` reads to verify the log whole: checkpoint, tiles and entries, as they are served. */
  contents(): TileLogContents & { readCheckpoint(): Promise<Uint8Array> }
}

const tileBytesMax = 32 * tileWidthMax
const bundleBytesMax = 2 ** 24 + 2 * tileWidthMax
const operation = 'a log'

/** Reads a log over HTTP: `GET /logs/{name}/…`, open to all. */
export function openLedger(requester: Requester, options: LedgerOptions): Ledger {
  return new HttpLedger(requester, options)
}

/**
 * The newest checkpoint of a log as it is served, a signed note. Nothing is verified.
 *
 * @throws {ClientError}
 */
export function fetchCheckpoint(requester: Requester, origin: string): Promise<Uint8Array> {
  return fetchPart(requester, { origin, path: 'checkpoint', bytesMax: noteLimits.bytesMax })
}

/**
 * The hashes of a tile as they are served: 32 bytes for each, `width` of them at least. Nothing is verified.
 *
 * A partial tile may be gone once the full one exists; then that is fetched.
 *
 * @throws {ClientError}
 */
export function fetchTile(requester: Requester, origin: string, tile: TileId): Promise<Uint8Array> {
  return fetchPartial(requester, tile.width, (width) => ({
    origin,
    path: tilePath({ ...tile, width }),
    bytesMax: tileBytesMax,
  }))
}

/** A bundle of entries as it is served, `width` of them at least. Nothing is verified. @throws {ClientError} */
export function fetchEntries(requester: Requester, origin: string, bundle: BundleId): Promise<Uint8Array> {
  return fetchPartial(requester, bundle.width, (width) => ({
    origin,
    path: bundlePath({ ...bundle, width }),
    bytesMax: bundleBytesMax,
  }))
}

interface Part {
  readonly origin: string
  readonly path: string
  readonly bytesMax: number
}

async function fetchPartial(requester: Requester, width: number, part: (width: number) => Part) {
  try {
    return await fetchPart(requester, part(width))
  } catch (error) {
    if (width === tileWidthMax || !isNotFound(error)) throw error
    return fetchPart(requester, part(tileWidthMax))
  }
}

async function fetchPart(requester: Requester, { origin, path, bytesMax }: Part): Promise<Uint8Array> {
  const answer = await requester.request({
    operation,
    method: 'GET',
    target: `/logs/${logName(origin)}/${path}`,
    headers: { accept: '*/*' },
    answerBytesMax: bytesMax,
  })
  return answer.body
}

// The path of a log is its origin after the trust domain, each part as it is: `acme.example/tokens/7` is `tokens/7`.
function logName(origin: string): string {
  const [, ...parts] = origin.split('/')
  const isName = parts.length > 0 && parts.every((part) => /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/.test(part))
  if (!isName) throw new TypeError('the origin of a log is `<trust domain>/<name>/<number>`')
  return parts.join('/')
}

class HttpLedger implements Ledger {
  readonly #requester: Requester
  readonly #options: LedgerOptions

  constructor(requester: Requester, options: LedgerOptions) {
    this.#requester = requester
    this.#options = options
    logName(options.origin)
  }

  get origin(): string {
    return this.#options.origin
  }

  async checkpoint(): Promise<VerifiedCheckpoint> {
    return verifyCheckpoint({ ...this.#options, note: await fetchCheckpoint(this.#requester, this.origin) })
  }

  async entry(index: number, checkpoint: VerifiedCheckpoint): Promise<ProvenEntry> {
    const log = await this.#open(checkpoint)
    const entry = await log.entry(index)
    const proof = await log.inclusionProof(index)
    const { size, root } = checkpoint
    verifyInclusion({ index, size, leafHash: leafHash(entry), proof, root })
    return { index, entry, proof, checkpoint }
  }

  async consistency(older: Checkpoint, newer: VerifiedCheckpoint): Promise<readonly Uint8Array[]> {
    const log = await this.#open(newer)
    const proof = await log.consistencyProof(older.size)
    verifyConsistency({
      size1: older.size,
      size2: newer.size,
      root1: older.root,
      root2: newer.root,
      proof,
    })
    return proof
  }

  contents(): TileLogContents & { readCheckpoint(): Promise<Uint8Array> } {
    return {
      readCheckpoint: () => fetchCheckpoint(this.#requester, this.origin),
      readTile: (tile) => fetchTile(this.#requester, this.origin, tile),
      readEntries: (bundle) => fetchEntries(this.#requester, this.origin, bundle),
    }
  }

  // The appender's own reader: it checks the right edge against the root, and each tile against its parent.
  #open(checkpoint: Checkpoint): Promise<Log> {
    return openLog({ storage: this.#storage(checkpoint), origin: this.origin })
  }

  #storage({ size, root }: Checkpoint): LogStorage {
    return {
      head: () => Promise.resolve(size === 0 ? { size, root: emptyRoot() } : { size, root }),
      commit: () => Promise.resolve('conflict'),
      readTile: async (level, index) => {
        const width = tileWidth(size, level, index)
        return width === 0 ? undefined : fetchTile(this.#requester, this.origin, { level, index, width })
      },
      readEntries: (start, end) => this.#readEntries(size, start, end),
    }
  }

  async #readEntries(size: number, start: number, end: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let index = Math.floor(start / tileWidthMax); index * tileWidthMax < end; index++) {
      const first = index * tileWidthMax
      const bundle = { index, width: tileWidth(size, 0, index) }
      const bytes = await fetchEntries(this.#requester, this.origin, bundle)
      const from = Math.max(start - first, 0)
      parts.push(sliceEntryBundle(bytes, from, Math.min(end - first, bundle.width)))
    }
    return Buffer.concat(parts)
  }
}
