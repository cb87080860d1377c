import type { ReferenceOptions } from '../verifier-options.ts'
import { SingleFlight } from './single-flight.ts'
import { TokenBucket } from './token-bucket.ts'

const absentForMs = 1_000
const absentMax = 4_096

/** Resolves reference tokens at the authority: one request at a time for each, and so many per second. */
export class ReferenceResolver {
  readonly #options: ReferenceOptions
  readonly #bucket: TokenBucket
  readonly #flights = new SingleFlight<string | undefined>()
  readonly #absentUntil = new Map<string, number>()

  constructor(options: ReferenceOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(options.fetchesPerS ?? 200)
  }

  /** The token's text, not trusted; `absent` if the authority says so, `unavailable` if it was or could not be asked. */
  async resolve(reference: string, nowMs: number): Promise<{ text: string } | 'absent' | 'unavailable'> {
    if ((this.#absentUntil.get(reference) ?? 0) > nowMs) return 'absent'
    if (!this.#flights.has(reference) && !this.#bucket.take(nowMs)) return 'unavailable'
    try {
      const text = await this.#flights.run(reference, () => this.#options.source.resolveReference(reference))
      if (text !== undefined) return { text }
    } catch {
      return 'unavailable'
    }
    if (this.#absentUntil.size >= absentMax) this.#absentUntil.clear()
    this.#absentUntil.set(reference, nowMs + absentForMs)
    return 'absent'
  }
}
