import type { Clock } from '@quantum-ip/base'

interface Bucket {
  left: number
  sinceMs: number
}

const membersMax = 10_000

/** How many reports each member may send: a burst of `burst`, and so many per minute. */
export class MemberLimits {
  readonly #clock: Clock
  readonly #burst: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock, burst: number) {
    this.#clock = clock
    this.#burst = burst
  }

  /** Whether the member may send one more; it then has. */
  take(member: string): boolean {
    const nowMs = this.#clock.now()
    const bucket = this.#buckets.get(member) ?? { left: this.#burst, sinceMs: nowMs }
    const refilled = bucket.left + (Math.max(0, nowMs - bucket.sinceMs) / 60_000) * this.#burst
    const left = Math.min(this.#burst, refilled)
    // The map is in the order of use: what was forgotten too early would be a new burst, and the longest unused one has most of its back.
    this.#buckets.delete(member)
    if (this.#buckets.size >= membersMax) this.#forgetLongestUnused()
    this.#buckets.set(member, { left: left < 1 ? left : left - 1, sinceMs: nowMs })
    return left >= 1
  }

  #forgetLongestUnused(): void {
    const [longest] = this.#buckets.keys()
    if (longest !== undefined) this.#buckets.delete(longest)
  }
}
