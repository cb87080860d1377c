/** A set of half-open index ranges of one log; overlaps and repetitions are counted, so that each can be taken out again. */
export class IndexRanges {
  readonly #ranges: (readonly [from: number, to: number])[] = []
  readonly #singles = new Map<number, number>()
  // The union of the ranges: sorted, apart from each other, one array each so that a search touches numbers only.
  #starts = new Float64Array(0)
  #ends = new Float64Array(0)
  #isStale = false

  get isEmpty(): boolean {
    return this.#ranges.length === 0 && this.#singles.size === 0
  }

  add(from: number, to: number): void {
    if (to - from === 1) this.#singles.set(from, (this.#singles.get(from) ?? 0) + 1)
    else {
      this.#ranges.push([from, to])
      this.#isStale = true
    }
  }

  delete(from: number, to: number): void {
    if (to - from === 1) {
      const count = this.#singles.get(from) ?? 0
      if (count > 1) this.#singles.set(from, count - 1)
      else this.#singles.delete(from)
      return
    }
    const at = this.#ranges.findIndex(([start, end]) => start === from && end === to)
    if (at < 0) return
    this.#ranges.splice(at, 1)
    this.#isStale = true
  }

  /** Makes additions and deletions visible to {@link has}. */
  commit(): void {
    if (!this.#isStale) return
    this.#isStale = false
    const merged: [number, number][] = []
    for (const [from, to] of [...this.#ranges].sort(([a], [b]) => a - b)) {
      const last = merged.at(-1)
      if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
      else merged.push([from, to])
    }
    this.#starts = Float64Array.from(merged, ([from]) => from)
    this.#ends = Float64Array.from(merged, ([, to]) => to)
  }

  has(index: number): boolean {
    if (this.#singles.has(index)) return true
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] as number) <= index) low = middle + 1
      else high = middle
    }
    return low > 0 && index < (this.#ends[low - 1] as number)
  }
}
