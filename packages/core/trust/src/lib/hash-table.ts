import { equalBytes } from '@quantum-ip/base'

interface Slot<Value> {
  readonly hash: Uint8Array
  readonly value: Value
  next: Slot<Value> | undefined
}

/**
 * Values by SHA-256 hashes. A look-up allocates nothing, which a `Map` with text for keys could not do: the bucket is a small
 * integer out of the hash. Only the authority chooses what goes in, so nobody can crowd a bucket.
 */
export class HashTable<Value> {
  readonly #buckets = new Map<number, Slot<Value>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(hash: Uint8Array): Value | undefined {
    if (this.#size === 0) return undefined
    let slot = this.#buckets.get(bucketOf(hash))
    while (slot !== undefined && !equalBytes(slot.hash, hash)) slot = slot.next
    return slot?.value
  }

  /** Adds a value under a hash that has none yet. */
  add(hash: Uint8Array, value: Value): void {
    const bucket = bucketOf(hash)
    this.#buckets.set(bucket, { hash, value, next: this.#buckets.get(bucket) })
    this.#size++
  }

  delete(hash: Uint8Array): void {
    const bucket = bucketOf(hash)
    let before: Slot<Value> | undefined
    for (let slot = this.#buckets.get(bucket); slot !== undefined; before = slot, slot = slot.next) {
      if (!equalBytes(slot.hash, hash)) continue
      if (before !== undefined) before.next = slot.next
      else if (slot.next !== undefined) this.#buckets.set(bucket, slot.next)
      else this.#buckets.delete(bucket)
      this.#size--
      return
    }
  }
}

// 30 bits, so that the engine keeps it as a small integer and never on the heap.
function bucketOf(hash: Uint8Array): number {
  return (
    (((hash[0] ?? 0) << 22) | ((hash[1] ?? 0) << 14) | ((hash[2] ?? 0) << 6) | ((hash[3] ?? 0) >>> 2)) >>> 0
  )
}
