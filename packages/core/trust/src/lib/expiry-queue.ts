/** Items by the time at which they expire, soonest first: a binary heap. */
export class ExpiryQueue<Item> {
  readonly #times: number[] = []
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  /** When the next item expires; `Infinity` if there is none. */
  get nextAt(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY
  }

  push(item: Item, expires: number): void {
    let at = this.#items.length
    this.#times.push(expires)
    this.#items.push(item)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (this.#time(parent) <= expires) return
      this.#swap(at, parent)
      at = parent
    }
  }

  /** Takes out the item that expires soonest. */
  pop(): Item | undefined {
    const first = this.#items[0]
    const last = this.#items.length - 1
    if (last < 0) return undefined
    this.#swap(0, last)
    this.#items.pop()
    this.#times.pop()
    this.#sink()
    return first
  }

  #sink(): void {
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const soonest = this.#time(left + 1) < this.#time(left) ? left + 1 : left
      if (this.#time(at) <= this.#time(soonest)) return
      this.#swap(at, soonest)
      at = soonest
    }
  }

  // Beyond the end there is nothing that expires sooner than anything.
  #time(at: number): number {
    return this.#times[at] ?? Number.POSITIVE_INFINITY
  }

  #swap(a: number, b: number): void {
    const [time, item] = [this.#times[a], this.#items[a]]
    this.#times[a] = this.#times[b] as number
    this.#items[a] = this.#items[b] as Item
    this.#times[b] = time as number
    this.#items[b] = item as Item
  }
}
