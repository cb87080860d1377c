import { emptyRoot, inclusionRanges, rangeHash, type Subtree } from '@quantum-ip/log'

/** A Merkle tree in memory. */
export class TestTree {
  readonly #leaves: Uint8Array[] = []

  get size(): number {
    return this.#leaves.length
  }

  /** Returns the index of the new leaf. */
  append(leafHash: Uint8Array): number {
    return this.#leaves.push(leafHash) - 1
  }

  hash({ start, end }: Subtree): Uint8Array {
    return start === end ? emptyRoot() : rangeHash(this.#leaves.slice(start, end))
  }

  root(): Uint8Array {
    return this.hash({ start: 0, end: this.size })
  }

  proof(index: number, subtree: Subtree): Uint8Array[] {
    return inclusionRanges(index, subtree).map((range) => this.hash(range))
  }
}
