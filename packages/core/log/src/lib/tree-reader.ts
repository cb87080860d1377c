import { equalBytes } from '@quantum-ip/base'
import { emptyRoot, hashSize, parentInto } from '../hash.ts'
import { LogError } from '../log-errors.ts'
import type { LogHead, LogStorage } from '../log-storage.ts'
import { tileKey } from '../memory-log-storage.ts'
import { type Subtree, bitCeil } from '../subtree.ts'
import { tileWidth, tileWidthMax } from '../tile.ts'
import { HashTile, tileHeight } from './hash-tile.ts'
import type { TreeEdge } from './tree-edge.ts'

/** The committed state of a log: head and right edge always change together. */
export interface Tree {
  head: LogHead
  edge: TreeEdge
}

/** A node of the tree: the hash of the full subtree of 2^`height` leaves, number `slot`. */
interface Node {
  readonly height: number
  readonly slot: number
}

/**
 * Reads hashes of a log through its storage, with a bounded cache of full tiles.
 *
 * INVARIANT: a tile is handed out only if it hashes to its parent tile, up to the right edge, which was checked against the head. So a
 * damaged tile is an error, never a wrong proof.
 */
export class TreeReader {
  readonly #storage: LogStorage
  readonly #tree: Tree
  readonly #cacheMax: number
  // Most recently used last. 16 KB each.
  readonly #cache = new Map<number, HashTile>()
  readonly #loading = new Map<number, Promise<HashTile>>()

  constructor(storage: LogStorage, tree: Tree, cacheMax: number) {
    this.#storage = storage
    this.#tree = tree
    this.#cacheMax = cacheMax
  }

  /** Puts a full tile into the cache. */
  keep(tile: HashTile): void {
    const key = tileKey(tile.level, tile.index)
    this.#cache.delete(key)
    this.#cache.set(key, tile)
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= this.#cacheMax) break
      this.#cache.delete(oldest)
    }
  }

  /** The tile, with all hashes that it has in the committed tree. */
  async tile(level: number, index: number): Promise<HashTile> {
    const edge = this.#tree.edge.tile(level, index)
    if (edge !== undefined) return edge
    const key = tileKey(level, index)
    const cached = this.#cache.get(key)
    if (cached !== undefined) {
      this.keep(cached)
      return cached
    }
    let loading = this.#loading.get(key)
    if (loading === undefined) {
      loading = this.#load(level, index).finally(() => this.#loading.delete(key))
      this.#loading.set(key, loading)
    }
    return loading
  }

  async #load(level: number, index: number): Promise<HashTile> {
    const what = `tile ${index} of level ${level}`
    // All partial tiles are in the edge, so this one is full.
    if (tileWidth(this.#tree.head.size, level, index) < tileWidthMax)
      throw new LogError('QIP_LOG_MISSING', { what })
    const bytes = await this.#storage.readTile(level, index)
    if (bytes === undefined || bytes.length < tileWidthMax * hashSize)
      throw new LogError('QIP_LOG_MISSING', { what })
    const tile = new HashTile(level, index)
    for (let at = 0; at < tileWidthMax; at++) tile.append(bytes, at * hashSize)
    const parent = await this.tile(level + 1, Math.floor(index / tileWidthMax))
    const [own, listed] = [new Uint8Array(hashSize), new Uint8Array(hashSize)]
    tile.copyNode(tileHeight, 0, own, 0)
    parent.copyNode(0, index % tileWidthMax, listed, 0)
    if (!equalBytes(own, listed)) throw new LogError('QIP_LOG_CORRUPT', { what })
    this.keep(tile)
    return tile
  }

  /** The hashes of subtrees, all within the committed size. */
  async hashes(ranges: readonly Subtree[]): Promise<readonly Uint8Array[]> {
    const nodes = ranges.map(nodesOf)
    const tiles = new Map<number, HashTile>()
    for (const { level, index } of nodes.flat().map(placeOf)) {
      const key = tileKey(level, index)
      if (!tiles.has(key)) tiles.set(key, await this.tile(level, index))
    }
    // From here on nothing waits: what is read belongs to one moment.
    return nodes.map((list) => fold(list, tiles))
  }
}

/** The full subtrees that make up a valid subtree, from left to right: one for each binary digit of its size. */
function nodesOf({ start, end }: Subtree): readonly Node[] {
  const nodes: Node[] = []
  let from = start
  for (let size = bitCeil(end - start), height = Math.log2(size); from < end; size /= 2, height--) {
    if (end - from < size) continue
    nodes.push({ height, slot: from / size })
    from += size
  }
  return nodes
}

/** The tile that holds a node, and where in it. */
function placeOf({ height, slot }: Node) {
  const inner = height % tileHeight
  const perTile = 2 ** (tileHeight - inner)
  return {
    level: (height - inner) / tileHeight,
    index: Math.floor(slot / perTile),
    inner,
    slot: slot % perTile,
  }
}

/** The hash over full subtrees of falling size: folded from the right (RFC 9162, section 2.1.1). */
function fold(nodes: readonly Node[], tiles: ReadonlyMap<number, HashTile>): Uint8Array {
  if (nodes.length === 0) return emptyRoot()
  const pair = new Uint8Array(2 * hashSize)
  nodes.toReversed().forEach((node, nth) => {
    const { level, index, inner, slot } = placeOf(node)
    tiles.get(tileKey(level, index))?.copyNode(inner, slot, pair, nth === 0 ? hashSize : 0)
    if (nth > 0) parentInto(pair, 0, pair, hashSize)
  })
  return pair.slice(hashSize)
}
