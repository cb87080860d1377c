/** A budget of so many per second, with as many saved up at most. */
export class TokenBucket {
  readonly #perS: number
  #left: number
  #atMs = 0

  constructor(perS: number) {
    this.#perS = perS
    this.#left = perS
  }

  /** Takes one, if there is one left. A clock that goes back refills nothing. */
  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#atMs)
    this.#atMs = nowMs
    this.#left = Math.min(this.#perS, this.#left + (elapsedMs * this.#perS) / 1_000)
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
