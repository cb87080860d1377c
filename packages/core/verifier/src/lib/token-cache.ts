import type { TokenFacts } from './token-facts.ts'

// What an entry may take of the whole on average; a compact token has 700 characters, a JWT 3,700 and more.
const charsPerEntry = 800
// How many expired entries one insertion takes out: more than one, so that they run out.
const sweepPerSet = 2
// Characters of a text that its mark is made of. The nonce and the first hash of the path are random, and have some of them.
const marked = 48
const slotsMin = 256
const slotWords = 2

/**
 * Remembers which tokens are authentic, by their whole text, and nothing about who may use them where.
 *
 * First in, first out: tokens live for minutes, so the oldest entry is the one that ends first, and a hit
 * costs nothing but the look-up. Bounded in number and in characters; expired entries go as new ones come.
 *
 * A table of its own, since a `Map` hashes all characters of each text that arrives: in a gateway that takes a microsecond, which
 * one-time tokens pay too, that are never in here. Here a text is found by a mark of some of its characters and then compared
 * whole; who holds two tokens of one mark slows down the second by one comparison.
 */
export class TokenCache {
  readonly #entriesMax: number
  // A ring of entries: the oldest is number `first`, the next will be number `end`; entry n is at n modulo `entriesMax`.
  readonly #texts: (string | undefined)[] = []
  readonly #facts: (TokenFacts | undefined)[] = []
  #first = 0
  #end = 0
  #size = 0
  #chars = 0
  // Open addressing, at most half full: the mark, then the entry's place plus one, 0 for none.
  #table = new Int32Array(slotsMin * slotWords)
  #mask = slotsMin - 1

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#size
  }

  get(text: string): TokenFacts | undefined {
    const slot = this.#find(text, markOf(text))
    return slot < 0 ? undefined : this.#facts[this.#placeIn(slot)]
  }

  set(text: string, facts: TokenFacts, nowMs: number): void {
    const mark = markOf(text)
    const charsMax = this.#entriesMax * charsPerEntry
    if (text.length > charsMax || this.#find(text, mark) >= 0) return
    for (let taken = 0; ; taken++) {
      const oldest = this.#oldest()
      if (oldest === undefined) break
      const isFull = this.#end - this.#first >= this.#entriesMax || this.#chars + text.length > charsMax
      if (!isFull && (taken >= sweepPerSet || oldest.facts.exp * 1_000 > nowMs)) break
      this.delete(oldest.text)
    }
    if ((this.#size + 1) * 2 > this.#mask) this.#grow()
    const place = this.#end % this.#entriesMax
    this.#texts[place] = text
    this.#facts[place] = facts
    this.#insert(mark, place)
    this.#end++
    this.#size++
    this.#chars += text.length
  }

  delete(text: string): void {
    const slot = this.#find(text, markOf(text))
    if (slot < 0) return
    const place = this.#placeIn(slot)
    this.#texts[place] = undefined
    this.#facts[place] = undefined
    this.#remove(slot)
    this.#size--
    this.#chars -= text.length
  }

  #oldest(): { readonly text: string; readonly facts: TokenFacts } | undefined {
    for (; this.#first < this.#end; this.#first++) {
      const place = this.#first % this.#entriesMax
      const text = this.#texts[place]
      const facts = this.#facts[place]
      if (text !== undefined && facts !== undefined) return { text, facts }
    }
    return undefined
  }

  // The slot of a text, or -1.
  #find(text: string, mark: number): number {
    const table = this.#table
    const mask = this.#mask
    for (let slot = mark & mask; ; slot = (slot + 1) & mask) {
      const at = slot * slotWords
      const entry = table[at + 1] as number
      if (entry === 0) return -1
      if (table[at] === mark && this.#texts[entry - 1] === text) return slot
    }
  }

  #placeIn(slot: number): number {
    return (this.#table[slot * slotWords + 1] as number) - 1
  }

  #insert(mark: number, place: number): void {
    const table = this.#table
    const mask = this.#mask
    let slot = mark & mask
    while (table[slot * slotWords + 1] !== 0) slot = (slot + 1) & mask
    table[slot * slotWords] = mark
    table[slot * slotWords + 1] = place + 1
  }

  // Closes the gap: whatever would no longer be found from its first slot on moves up.
  #remove(slot: number): void {
    const table = this.#table
    const mask = this.#mask
    let gap = slot
    for (let next = (gap + 1) & mask; table[next * slotWords + 1] !== 0; next = (next + 1) & mask) {
      const home = (table[next * slotWords] as number) & mask
      if (((next - home) & mask) < ((next - gap) & mask)) continue
      table.copyWithin(gap * slotWords, next * slotWords, (next + 1) * slotWords)
      gap = next
    }
    table[gap * slotWords + 1] = 0
  }

  #grow(): void {
    const before = this.#table
    this.#mask = this.#mask * 2 + 1
    this.#table = new Int32Array((this.#mask + 1) * slotWords)
    for (let at = 0; at < before.length; at += slotWords) {
      const entry = before[at + 1] as number
      if (entry !== 0) this.#insert(before[at] as number, entry - 1)
    }
  }
}

function markOf(text: string): number {
  const { length } = text
  const step = Math.max(1, Math.floor(length / marked))
  let mark = length
  for (let at = 0; at < length; at += step) mark = Math.imul(mark ^ text.charCodeAt(at), 0x01000193)
  // The last bits choose the slot; until here they depend on the last bits of the characters alone.
  mark = Math.imul(mark ^ (mark >>> 15), 0x2c1b3c6d)
  return mark ^ (mark >>> 13)
}
