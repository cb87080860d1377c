import { concatBytes, lengthPrefixed, u64be, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import type { OneTimeUse } from '../replay-guard.ts'
import { retriesMax, retryWords, type ReplayLayout } from './replay-memory.ts'

/**
 * Remembers by which request of which proxy a token was used first, so that the same may come again.
 *
 * Direct-mapped and overwritten: what is forgotten is a replay. Each record is 128 bits of a SHA-256 and
 * the second, so a record that two threads tear apart matches nothing.
 */
export class RetryWindow {
  readonly #at: ReplayLayout
  readonly #windowMs: number

  constructor(at: ReplayLayout, windowMs: number) {
    this.#at = at
    this.#windowMs = windowMs
  }

  remember(use: OneTimeUse): void {
    const tag = this.#tag(use)
    if (tag === undefined) return
    const { words } = this.#at
    const record = this.#record(tag)
    Atomics.store(words, record + 4, Math.floor(use.nowMs / 1_000))
    Atomics.store(words, record + 5, use.nowMs % 1_000)
    for (let i = 0; i < 4; i++) Atomics.store(words, record + i, tag[i] as number)
  }

  isRetry(use: OneTimeUse): boolean {
    const tag = this.#tag(use)
    if (tag === undefined) return false
    const { words } = this.#at
    const record = this.#record(tag)
    for (let i = 0; i < 4; i++) if (Atomics.load(words, record + i) !== tag[i]) return false
    const firstMs = Atomics.load(words, record + 4) * 1_000 + Atomics.load(words, record + 5)
    return use.nowMs - firstMs <= this.#windowMs
  }

  #tag(use: OneTimeUse): Int32Array | undefined {
    if (this.#windowMs === 0 || use.requestId === undefined || use.proxy === undefined) return undefined
    const digest = sha256(
      concatBytes(
        lengthPrefixed(utf8(use.log)),
        u64be(use.index),
        lengthPrefixed(utf8(use.requestId)),
        lengthPrefixed(utf8(use.proxy)),
      ),
    )
    return new Int32Array(digest.buffer, digest.byteOffset, 4)
  }

  #record(tag: Int32Array): number {
    return this.#at.retriesAt + ((tag[0] as number) & (retriesMax - 1)) * retryWords
  }
}
