import { Buffer } from 'node:buffer'
import { copyHash, hashSize, parentInto } from '../hash.ts'
import { tileWidthMax } from '../tile.ts'

/** Height of a full tile: 2^8 = 256 hashes. */
export const tileHeight = 8

/** Where the nodes of height `height` begin: 256 of height 0, then 128 of height 1, … , one of height 8. */
const heightOffset = Array.from({ length: tileHeight + 1 }, (_, height) => 512 - 512 / 2 ** height)

/**
 * A tile with all its inner nodes: each is hashed once, when the second of its children arrives, and a proof then only copies.
 *
 * It only grows (or is cut back to a width that it had), so a node that is complete within the committed size never changes,
 * whatever the appender tries beyond it.
 */
export class HashTile {
  readonly level: number
  readonly index: number
  #width = 0
  // 511 hashes, 16 KB.
  readonly #nodes = Buffer.allocUnsafeSlow((2 * tileWidthMax - 1) * hashSize)

  constructor(level: number, index: number) {
    this.level = level
    this.index = index
  }

  /** The number of hashes in it, 0..256. */
  get width(): number {
    return this.#width
  }

  /** Adds the hash at `offset` of `bytes`, and hashes the nodes that it completes. */
  append(bytes: Uint8Array, offset: number): void {
    if (this.#width >= tileWidthMax) throw new TypeError('tile is full')
    copyHash(bytes, offset, this.#nodes, this.#width * hashSize)
    let slot = this.#width
    for (let height = 0; slot % 2 === 1; height++) {
      const parent = (slot - 1) / 2
      parentInto(this.#nodes, at(height, slot - 1), this.#nodes, at(height + 1, parent))
      slot = parent
    }
    this.#width += 1
  }

  /** Forgets what was added after the tile had `width` hashes. */
  truncate(width: number): void {
    this.#width = Math.min(this.#width, width)
  }

  /** Copies the node number `slot` of height `height`, which must be complete, to `to` at `offset`. */
  copyNode(height: number, slot: number, to: Uint8Array, offset: number): void {
    if ((slot + 1) * 2 ** height > this.#width) throw new TypeError('node is not complete')
    copyHash(this.#nodes, at(height, slot), to, offset)
  }

  /** The complete nodes `[from, to)` of height `height`, side by side, as a view: for reading, at once. */
  nodes(height: number, from: number, to: number): Uint8Array {
    if (to * 2 ** height > this.#width) throw new TypeError('nodes are not complete')
    return this.#nodes.subarray(at(height, from), at(height, to))
  }

  /** A copy of its first `width` hashes. */
  hashes(width: number = this.#width): Uint8Array {
    if (width > this.#width) throw new TypeError('tile is narrower')
    return Uint8Array.from(this.#nodes.subarray(0, width * hashSize))
  }
}

function at(height: number, slot: number): number {
  return ((heightOffset[height] as number) + slot) * hashSize
}
