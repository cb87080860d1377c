import type { EngineAnswer } from '@quantum-ip/policy'

interface Kept {
  readonly answer: EngineAnswer
  readonly untilMs: number
}

/** Answers that are kept for a while, the oldest of which gives way. Only answers: what went wrong is asked again. */
export class AnswerCache {
  readonly #ttlMs: number
  readonly #sizeMax: number
  readonly #kept = new Map<string, Kept>()

  constructor({ ttlMs, sizeMax }: { readonly ttlMs: number; readonly sizeMax: number }) {
    this.#ttlMs = ttlMs
    this.#sizeMax = sizeMax
  }

  find(key: string, nowMs: number): EngineAnswer | undefined {
    const kept = this.#kept.get(key)
    // A clock that was set back ends it, too.
    if (kept === undefined || nowMs >= kept.untilMs || kept.untilMs - nowMs > this.#ttlMs) return undefined
    return kept.answer
  }

  keep(key: string, answer: EngineAnswer, nowMs: number): void {
    if (answer.kind === 'unavailable') return
    this.#kept.delete(key)
    if (this.#kept.size >= this.#sizeMax) {
      const [oldest] = this.#kept.keys()
      if (oldest !== undefined) this.#kept.delete(oldest)
    }
    this.#kept.set(key, { answer, untilMs: nowMs + this.#ttlMs })
  }
}
