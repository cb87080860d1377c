/** How {@link HeldParts} reaches the held state. */
export interface HeldPartsOptions {
  /** Where the folder is served: `https://state.internal/edge/`. Whoever answers there decides who is let in. */
  readonly stateUrl: string
  readonly fetch: (url: string) => Promise<Response>
  readonly now: () => number
  /** How long a part counts before it is asked for again; milliseconds. */
  readonly maxAgeMs: number
}

interface HeldPart {
  readonly askedMs: number
  readonly text: Promise<string | undefined>
}

// Above it everything is asked for again: a stranger must not fill the memory with names.
const partsMax = 2_000

/** Parts of the held state over HTTP, each remembered for a moment. */
export class HeldParts {
  readonly #options: HeldPartsOptions
  readonly #parts = new Map<string, HeldPart>()

  constructor(options: HeldPartsOptions) {
    this.#options = options
  }

  /** The part of this name, `undefined` where the server has none. Rejects where that cannot be known. */
  get(name: string): Promise<string | undefined> {
    const nowMs = this.#options.now()
    const held = this.#parts.get(name)
    if (held !== undefined && Math.abs(nowMs - held.askedMs) <= this.#options.maxAgeMs) return held.text
    if (this.#parts.size >= partsMax) this.#parts.clear()
    const text = this.#ask(name)
    this.#parts.set(name, { askedMs: nowMs, text })
    // What failed is asked for again at once.
    text.catch(() => this.#parts.delete(name))
    return text
  }

  async #ask(name: string): Promise<string | undefined> {
    const answer = await this.#options.fetch(this.#options.stateUrl + name)
    if (answer.status === 200) return answer.text()
    if (answer.status === 404) return undefined
    throw new Error('the held state cannot be read')
  }
}
