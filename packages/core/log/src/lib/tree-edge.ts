import { emptyRoot, hashSize, parentInto } from '../hash.ts'
import { tileSpan, tileWidthMax } from '../tile.ts'
import { HashTile, tileHeight } from './hash-tile.ts'

interface EdgeMark {
  readonly size: number
  readonly tiles: readonly { readonly tile: HashTile; readonly width: number }[]
}

/**
 * The right edge of a tree: the one partial tile of each level. It is all that appending needs, so memory does not grow with
 * the log.
 */
export class TreeEdge {
  #size = 0
  #tiles: HashTile[] = []
  #changed = new Set<HashTile>()
  #marked: EdgeMark | undefined

  /** The number of leaves. */
  get size(): number {
    return this.#size
  }

  /** The partial tile of the level with this index, as it is now or was at the mark. */
  tile(level: number, index: number): HashTile | undefined {
    const tile = this.#tiles[level]
    if (tile?.index === index) return tile
    const marked = this.#marked?.tiles[level]?.tile
    return marked?.index === index ? marked : undefined
  }

  /** Adds the leaf hash at `offset` of `bytes`: one SHA-256 per leaf on the average. */
  append(bytes: Uint8Array, offset: number): void {
    this.#size += 1
    this.#appendTo(0, bytes, offset)
  }

  #appendTo(level: number, bytes: Uint8Array, offset: number): void {
    const tile = (this.#tiles[level] ??= new HashTile(level, 0))
    tile.append(bytes, offset)
    this.#changed.add(tile)
    if (tile.width < tileWidthMax) return
    this.#tiles[level] = new HashTile(level, tile.index + 1)
    const top = new Uint8Array(hashSize)
    tile.copyNode(tileHeight, 0, top, 0)
    this.#appendTo(level + 1, top, 0)
  }

  /** The tree's root: the complete nodes of the edge, folded from the right. */
  root(): Uint8Array {
    // left ‖ right, of which the right one is the fold so far.
    const pair = new Uint8Array(2 * hashSize)
    let isFirst = true
    for (const tile of this.#tiles) {
      for (let height = 0, nodes = tile.width; nodes > 0; height++, nodes = Math.floor(nodes / 2)) {
        if (nodes % 2 === 0) continue
        tile.copyNode(height, nodes - 1, pair, isFirst ? hashSize : 0)
        if (!isFirst) parentInto(pair, 0, pair, hashSize)
        isFirst = false
      }
    }
    return isFirst ? emptyRoot() : pair.slice(hashSize)
  }

  /** The tiles that were changed since the mark, complete ones included. */
  changed(): readonly HashTile[] {
    return [...this.#changed].filter((tile) => tile.width > 0)
  }

  /** The partial tiles, lowest level first. */
  partial(): readonly HashTile[] {
    return this.#tiles.filter((tile) => tile.width > 0)
  }

  /** Marks the present state: what comes now is tried, until {@link keep} or {@link restore}. */
  mark(): void {
    this.#changed.clear()
    this.#marked = { size: this.#size, tiles: this.#tiles.map((tile) => ({ tile, width: tile.width })) }
  }

  /** Keeps what was added since the mark. */
  keep(): void {
    this.#changed.clear()
    this.#marked = undefined
  }

  /** Forgets what was added since the mark. */
  restore(): void {
    if (this.#marked === undefined) return
    const { size, tiles } = this.#marked
    this.#size = size
    this.#tiles = tiles.map(({ tile, width }) => {
      tile.truncate(width)
      return tile
    })
    this.keep()
  }

  /** The edge of a tree of `size` leaves, from its partial tiles in `read` (only asked for tiles that are not empty). */
  static async load(
    size: number,
    read: (level: number, index: number, width: number) => Promise<Uint8Array>,
  ) {
    const edge = new TreeEdge()
    edge.#size = size
    for (let level = 0; tileSpan(level) <= size; level++) {
      const hashes = Math.floor(size / tileSpan(level))
      const tile = new HashTile(level, Math.floor(hashes / tileWidthMax))
      const width = hashes % tileWidthMax
      const bytes = width === 0 ? new Uint8Array() : await read(level, tile.index, width)
      for (let at = 0; at < width; at++) tile.append(bytes, at * hashSize)
      edge.#tiles[level] = tile
    }
    return edge
  }
}
