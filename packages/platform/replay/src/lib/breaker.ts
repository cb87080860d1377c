/**
 * Stops asking what does not answer. After some failures, one after the other, nobody is let through for a while; then one is, and its
 * answer decides. So a dead store costs only the first few requests their time-out.
 */
export class Breaker {
  readonly #failuresMax: number
  readonly #openMs: number
  #failures = 0
  #failedAtMs = Number.NEGATIVE_INFINITY
  #closedAtMs = 0

  constructor(options: { readonly failuresMax: number; readonly openMs: number }) {
    this.#failuresMax = options.failuresMax
    this.#openMs = options.openMs
  }

  /** Whether to ask now. `nowMs` of any steady clock. */
  admit(nowMs: number): boolean {
    if (this.#failures < this.#failuresMax) return true
    if (nowMs < this.#closedAtMs) return false
    // This one is the probe; the others wait for what becomes of it.
    this.#closedAtMs = nowMs + this.#openMs
    return true
  }

  succeeded(): void {
    this.#failures = 0
  }

  /** What was asked at `askedMs` failed at `nowMs`. Those that were under way together fail once. */
  failed(askedMs: number, nowMs: number): void {
    if (askedMs < this.#failedAtMs) return
    this.#failedAtMs = nowMs
    this.#failures += 1
    if (this.#failures >= this.#failuresMax) this.#closedAtMs = nowMs + this.#openMs
  }
}
