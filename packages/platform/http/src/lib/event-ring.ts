/** The latest events of a feed, by their IDs, in order; bounded in number and bytes. */
export class EventRing {
  readonly #eventsMax: number
  readonly #bytesMax: number
  // A Map keeps the order of insertion: its first key is the oldest event.
  readonly #events = new Map<string, Buffer>()
  #bytes = 0

  constructor(options: { readonly eventsMax: number; readonly bytesMax: number }) {
    this.#eventsMax = options.eventsMax
    this.#bytesMax = options.bytesMax
  }

  add(id: string, bytes: Buffer): void {
    if (this.#events.has(id)) throw new TypeError('an event ID was published twice')
    this.#events.set(id, bytes)
    this.#bytes += bytes.length
    while (this.#events.size > this.#eventsMax || this.#bytes > this.#bytesMax) {
      const [oldest] = this.#events
      if (oldest === undefined) return
      this.#events.delete(oldest[0])
      this.#bytes -= oldest[1].length
    }
  }

  /** The events after `id`, oldest first; `undefined` where `id` is not kept, or they are more than `bytesMax`. */
  after(id: string, bytesMax: number): readonly Buffer[] | undefined {
    if (!this.#events.has(id)) return undefined
    const later: Buffer[] = []
    let size = 0
    let passed = false
    for (const [key, bytes] of this.#events) {
      if (passed) {
        later.push(bytes)
        size += bytes.length
      } else passed = key === id
    }
    return size <= bytesMax ? later : undefined
  }
}
