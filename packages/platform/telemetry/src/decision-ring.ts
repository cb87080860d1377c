import type { Facts } from '@quantum-ip/policy'
import type { DecisionRecord } from './decision-record.ts'

/** A decision with what is needed to explain it. */
export interface RecentDecision {
  readonly record: DecisionRecord
  /** The facts that the policy saw, host and path included: in memory only, for operators. */
  readonly facts: Facts
}

/**
 * The newest decisions of one enforcement point, in memory, found by ID: what `qip explain` asks, also
 * while the authority is away. The oldest gives way.
 */
export class DecisionRing {
  readonly #slots: (RecentDecision | undefined)[]
  readonly #byId = new Map<string, RecentDecision>()
  #next = 0

  /** @throws {TypeError} if `sizeMax` is not a whole number from 1 on. */
  constructor(sizeMax: number) {
    if (!Number.isInteger(sizeMax) || sizeMax < 1) throw new TypeError('a ring has at least one place')
    this.#slots = Array.from({ length: sizeMax }, () => undefined)
  }

  get size(): number {
    return this.#byId.size
  }

  add(decision: RecentDecision): void {
    const oldest = this.#slots[this.#next]
    if (oldest !== undefined) this.#byId.delete(oldest.record.id)
    this.#slots[this.#next] = decision
    this.#byId.set(decision.record.id, decision)
    this.#next = (this.#next + 1) % this.#slots.length
  }

  find(id: string): RecentDecision | undefined {
    return this.#byId.get(id)
  }

  /** The newest decisions, newest first. */
  newest(countMax: number): readonly RecentDecision[] {
    return [...this.#byId.values()].slice(-countMax).reverse()
  }
}
