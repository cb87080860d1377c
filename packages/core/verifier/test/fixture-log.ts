import { emptyRoot, inclusionRanges, nodeHash, type Subtree } from '@quantum-ip/log'

/**
 * A Merkle tree in memory, written apart from the log package: straight from RFC 9162, section 2.1.1, with the
 * hashes of full subtrees remembered.
 */
export class FixtureTree {
  readonly #leaves: Uint8Array[] = []
  readonly #full = new Map<string, Uint8Array>()

  get size(): number {
    return this.#leaves.length
  }

  append(leafHash: Uint8Array): number {
    this.#leaves.push(leafHash)
    return this.#leaves.length - 1
  }

  hash({ start, end }: Subtree): Uint8Array {
    const size = end - start
    if (size === 0) return emptyRoot()
    if (size === 1) return this.#leaves[start] as Uint8Array
    const name = `${start}-${end}`
    const known = this.#full.get(name)
    if (known !== undefined) return known
    let left = 1
    while (left * 2 < size) left *= 2
    const hash = nodeHash(this.hash({ start, end: start + left }), this.hash({ start: start + left, end }))
    if (Number.isInteger(Math.log2(size))) this.#full.set(name, hash)
    return hash
  }

  root(): Uint8Array {
    return this.hash({ start: 0, end: this.size })
  }

  proof(index: number, subtree: Subtree): Uint8Array[] {
    return inclusionRanges(index, subtree).map((range) => this.hash(range))
  }
}
