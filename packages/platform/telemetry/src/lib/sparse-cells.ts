/**
 * Counters for few of many combinations, in one region of typed cells:
 *
 * ```
 * [ live, overflow, key + 1, value, key + 1, value, … ]     key + 1 = 0: free
 * ```
 *
 * Open addressing with linear probing. What would be one more than `liveMax` is counted in `overflow`.
 */
const head = 2

/** Cells that a region for `liveMax` combinations takes. */
export function sparseLength(liveMax: number): number {
  return head + 2 * capacityFor(liveMax)
}

// At most half full, so that a probe is short; a power of two, so that it wraps by a mask.
function capacityFor(liveMax: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, liveMax * 2)))
}

/** Adds to the counter of `key`, a whole number from 0 on. */
export function addSparse(cells: Float64Array, liveMax: number, key: number, amount: number): void {
  const mask = (cells.length - head) / 2 - 1
  for (let slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
    const at = head + 2 * slot
    const found = cells[at] as number
    if (found === key + 1) {
      cells[at + 1] = (cells[at + 1] as number) + amount
      return
    }
    if (found !== 0) continue
    if ((cells[0] as number) >= liveMax) {
      cells[1] = (cells[1] as number) + amount
      return
    }
    cells[0] = (cells[0] as number) + 1
    // The value first: another thread that reads along must never see a key without it.
    cells[at + 1] = amount
    cells[at] = key + 1
    return
  }
}

function hash(key: number): number {
  const low = (key % 0x1_0000_0000) | 0
  const mixed = Math.imul(low ^ (low >>> 16), 0x45d9f3b)
  return mixed ^ (mixed >>> 16)
}

/** What was counted, over the regions of several threads. */
export interface SparseCounts {
  /** By key, in order. */
  readonly counted: ReadonlyMap<number, number>
  /** What was over the limit. */
  readonly overflow: number
}

/** Reads the regions of several threads as one. */
export function readSparse(regions: readonly Float64Array[]): SparseCounts {
  const sums = new Map<number, number>()
  let overflow = 0
  for (const cells of regions) {
    overflow += cells[1] as number
    for (let at = head; at < cells.length; at += 2) {
      const key = (cells[at] as number) - 1
      if (key >= 0) sums.set(key, (sums.get(key) ?? 0) + (cells[at + 1] as number))
    }
  }
  return { counted: new Map([...sums].sort(([a], [b]) => a - b)), overflow }
}
