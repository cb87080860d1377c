import { Buffer } from 'node:buffer'
import { limits } from '@quantum-ip/base'
import { copyHash, hashSize, parentInto } from './hash.ts'
import { type HashTile, tileHeight } from './lib/hash-tile.ts'
import { LogError } from './log-errors.ts'
import { type Subtree, verifySubtree } from './subtree.ts'

/**
 * All inclusion proofs of one subtree, from memory: for batches, where a thousand paths of one subtree are needed at once. About 64 bytes
 * per leaf.
 */
export interface SubtreeProver extends Subtree {
  /** 32 bytes. Not to be written to. */
  readonly hash: Uint8Array
  /**
   * The inclusion proof of the leaf at `index`, the leaf's sibling first, in one new array of a multiple of 32 bytes.
   *
   * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` if `index` is not in the subtree.
   */
  path(index: number): Uint8Array
  /** Writes the same into `target` from `offset` on, and returns the number of bytes written: at most 512. */
  pathInto(index: number, target: Uint8Array, offset: number): number
}

/** One row of the tree over the subtree's leaves: `count` hashes side by side, the last of which may be of an incomplete subtree. */
interface Row {
  readonly hashes: Uint8Array
  readonly count: number
}

/**
 * Builds the prover of a subtree of 1..65,536 leaves from the tiles that hold its nodes.
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_OUT_OF_RANGE` if it is empty or larger.
 */
export async function buildSubtreeProver(
  subtree: Subtree,
  tileOf: (level: number, index: number) => Promise<HashTile>,
): Promise<SubtreeProver> {
  const { start, end } = verifySubtree(subtree)
  if (end - start < 1 || end - start > limits.subtreeLeavesMax) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'interval', value: start, end })
  }
  const rows: Row[] = []
  for (let height = 0, count = end - start; ; height++, count = Math.ceil(count / 2)) {
    // A Buffer like the tiles: one kind of array keeps the copying loop fast.
    const row = { hashes: Buffer.allocUnsafeSlow(count * hashSize), count }
    await fillRow(row, height, subtree, tileOf)
    const below = rows.at(-1)
    if (below !== undefined) completeRow(row, below)
    rows.push(row)
    if (count === 1) return prover(start, end, rows)
  }
}

/** Copies the nodes of full subtrees of 2^`height` leaves out of their tiles. */
async function fillRow(
  row: Row,
  height: number,
  { start, end }: Subtree,
  tileOf: (level: number, index: number) => Promise<HashTile>,
): Promise<void> {
  const inner = height % tileHeight
  const level = (height - inner) / tileHeight
  const perTile = 2 ** (tileHeight - inner)
  const first = Math.floor(start / 2 ** height)
  const last = first + Math.floor((end - start) / 2 ** height)
  for (let node = first; node < last;) {
    const index = Math.floor(node / perTile)
    const until = Math.min(last, (index + 1) * perTile)
    const tile = await tileOf(level, index)
    const slot = node % perTile
    row.hashes.set(tile.nodes(inner, slot, slot + until - node), (node - first) * hashSize)
    node = until
  }
}

/** Adds the last node of a row where its subtree is not full: the parent of two below, or the one without a sibling as it is. */
function completeRow(row: Row, below: Row): void {
  const last = row.count - 1
  // Of a full subtree the tile had it already: one hash too many for each row.
  if (below.count % 2 === 1) copyHash(below.hashes, 2 * last * hashSize, row.hashes, last * hashSize)
  else parentInto(below.hashes, 2 * last * hashSize, row.hashes, last * hashSize)
}

function prover(start: number, end: number, rows: readonly Row[]): SubtreeProver {
  const pathInto = (index: number, target: Uint8Array, offset: number): number => {
    if (!Number.isSafeInteger(index) || index < start || index >= end) {
      throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'index', value: index, end })
    }
    let to = offset
    let at = index - start
    for (const { hashes, count } of rows) {
      const sibling = at % 2 === 0 ? at + 1 : at - 1
      if (sibling < count) {
        copyHash(hashes, sibling * hashSize, target, to)
        to += hashSize
      }
      at = Math.floor(at / 2)
    }
    return to - offset
  }
  // One hash for each row but the top at most: a subtree of 65,536 leaves has 16.
  const room = Buffer.allocUnsafeSlow(rows.length * hashSize)
  const hash = rows.at(-1)?.hashes ?? new Uint8Array(hashSize)
  return {
    start,
    end,
    hash,
    pathInto,
    path: (index) => Uint8Array.from(room.subarray(0, pathInto(index, room, 0))),
  }
}
