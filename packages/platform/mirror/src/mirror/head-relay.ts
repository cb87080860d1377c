import { type Clock, isQipError } from '@quantum-ip/base'
import { HttpError } from '@quantum-ip/http'

/** Which head is asked for. */
export interface HeadPlace {
  readonly keyId: number
  readonly start: number
  readonly end: number
}

/** What a {@link HeadRelay} takes. */
export interface HeadRelayOptions {
  /** Asks the authority. `undefined`: it says itself that there is no such head. Rejects if it could not be asked. */
  readonly ask: (place: HeadPlace) => Promise<string | undefined>
  readonly clock: Clock
}

const keptMax = 10_000
/** Questions to the authority at once, and in one second. Each takes up to two seconds, and anybody can make the mirror ask. */
const inFlightMax = 16
const perSecondMax = 100
/** A head may be signed a moment after somebody asked for it. */
const missMs = 1_000
const retryAfterS = 1

/**
 * Single heads are not mirrored: the history has all of them as hashes. Those that somebody asks for are fetched and kept. Who asks is
 * not known, so what reaches the authority is bounded: one question for each head at a time, so many at once and in a second, and none
 * again at once for a head of which the authority said that there is none.
 */
export class HeadRelay {
  readonly #options: HeadRelayOptions
  readonly #kept = new Map<string, string>()
  /** Since when it is known that there is none, in the order of time. */
  readonly #missed = new Map<string, number>()
  readonly #asking = new Map<string, Promise<string | undefined>>()
  #second = 0
  #asked = 0

  constructor(options: HeadRelayOptions) {
    this.#options = options
  }

  /**
   * The signed head, as the authority gave it. `undefined` if there is none, or nobody could be asked.
   *
   * @throws {HttpError} `QIP_HTTP_OVERLOADED` if the authority would have to be asked, and is asked too much already
   */
  async find(place: HeadPlace): Promise<string | undefined> {
    const name = `${place.keyId} ${place.start}-${place.end}`
    const kept = this.#kept.get(name)
    if (kept !== undefined) return kept
    if (this.#isMissed(name)) return undefined
    const asking = this.#asking.get(name) ?? this.#begin(name, place)
    return asking
  }

  #begin(name: string, place: HeadPlace): Promise<string | undefined> {
    this.#enter()
    const asking = this.#ask(name, place).finally(() => this.#asking.delete(name))
    this.#asking.set(name, asking)
    return asking
  }

  #enter(): void {
    const second = Math.floor(this.#options.clock.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#asked = 0
    }
    if (this.#asking.size >= inFlightMax || this.#asked >= perSecondMax)
      throw new HttpError('QIP_HTTP_OVERLOADED', { retryAfterS })
    this.#asked++
  }

  async #ask(name: string, place: HeadPlace): Promise<string | undefined> {
    try {
      const staple = await this.#options.ask(place)
      if (staple === undefined) this.#miss(name)
      else this.#keep(name, staple)
      return staple
    } catch (error) {
      // That nobody could be asked says nothing about the head, and is not remembered.
      if (isQipError(error)) return undefined
      throw error
    }
  }

  #keep(name: string, staple: string): void {
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= keptMax && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(name, staple)
  }

  #isMissed(name: string): boolean {
    const sinceMs = this.#missed.get(name)
    return sinceMs !== undefined && !this.#isOver(sinceMs)
  }

  #miss(name: string): void {
    for (const [each, sinceMs] of this.#missed) {
      if (!this.#isOver(sinceMs)) break
      this.#missed.delete(each)
    }
    this.#missed.delete(name)
    this.#missed.set(name, this.#options.clock.now())
  }

  // A clock that was set back ends a memory rather than prolonging it.
  #isOver(sinceMs: number): boolean {
    return Math.abs(this.#options.clock.now() - sinceMs) >= missMs
  }
}
