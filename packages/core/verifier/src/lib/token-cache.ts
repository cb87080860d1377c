import type { TokenFacts } from './token-facts.ts'

// What an entry may take of the whole on average; a compact token has 700 characters, a JWT 3,700 and more.
const charsPerEntry = 800
// How many expired entries one insertion takes out: more than one, so that they run out.
const sweepPerSet = 2

/**
 * Remembers which tokens are authentic, by their whole text, and nothing about who may use them where.
 *
 * First in, first out: tokens live for minutes, so the oldest entry is the one that ends first, and a hit
 * costs nothing but the look-up. Bounded in number and in characters; expired entries go as new ones come.
 */
export class TokenCache {
  readonly #entriesMax: number
  readonly #entries = new Map<string, TokenFacts>()
  // One iterator for the map's life: a new one would walk over all holes that deletions left at the front.
  #walk = this.#entries.entries()
  #oldest: [string, TokenFacts] | undefined
  #chars = 0

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get(text: string): TokenFacts | undefined {
    return this.#entries.get(text)
  }

  set(text: string, facts: TokenFacts, nowMs: number): void {
    if (text.length > this.#entriesMax * charsPerEntry || this.#entries.has(text)) return
    for (let taken = 0; ; taken++) {
      const oldest = this.#peekOldest()
      if (oldest === undefined) break
      const isFull =
        this.#entries.size >= this.#entriesMax || this.#chars + text.length > this.#entriesMax * charsPerEntry
      if (!isFull && (taken >= sweepPerSet || oldest[1].exp * 1_000 > nowMs)) break
      this.delete(oldest[0])
      this.#oldest = undefined
    }
    this.#entries.set(text, facts)
    this.#chars += text.length
  }

  delete(text: string): void {
    if (this.#entries.delete(text)) this.#chars -= text.length
  }

  #peekOldest(): [string, TokenFacts] | undefined {
    if (this.#oldest !== undefined) return this.#oldest
    let next = this.#walk.next()
    if (next.done === true) {
      // An iterator that has ended stays so, whatever was added since.
      this.#walk = this.#entries.entries()
      next = this.#walk.next()
    }
    this.#oldest = next.done === true ? undefined : next.value
    return this.#oldest
  }
}
