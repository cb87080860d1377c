import type { HeadStanding } from '@quantum-ip/verifier'
import type { DecisionRecord } from './decision-record.ts'

interface Relied {
  readonly head: HeadStanding
  readonly record: DecisionRecord
}

/**
 * Decisions that relied on a head which no signed state had listed: kept whole until it is known what becomes of the head.
 *
 * Nearly all heads are listed within a second, and their decisions are forgotten then. Those of a head that never was are what a
 * stolen key got through, so none of them may be missing for a cap or a sample. Only a full memory drops any, the oldest, and
 * they are counted.
 */
export class ReliedDecisions {
  readonly #sizeMax: number
  #waiting: Relied[] = []
  #dropped = 0

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
  }

  /** Decisions that wait. */
  get size(): number {
    return this.#waiting.length
  }

  /** Decisions that had to give way to newer ones before anything was known of their heads. */
  get dropped(): number {
    return this.#dropped
  }

  add(head: HeadStanding, record: DecisionRecord): void {
    if (this.#waiting.length >= this.#sizeMax) this.#makeRoom()
    this.#waiting.push({ head, record })
  }

  /** Takes out the decisions whose heads were refused, marked; forgets those whose heads were listed. */
  settle(): readonly DecisionRecord[] {
    if (this.#waiting.length === 0) return []
    const unlogged = this.#waiting.filter(({ head }) => head.state === 'refused')
    this.#waiting = this.#waiting.filter(({ head }) => isOpen(head))
    return unlogged.map(({ record }) => marked(record))
  }

  // A quarter at once, so that a full memory does not cost a copy for each decision.
  #makeRoom(): void {
    const kept = this.#waiting.filter(({ head }) => head.state !== 'anchored')
    const drop = Math.max(0, kept.length - Math.floor(this.#sizeMax * 0.75))
    this.#dropped += drop
    this.#waiting = kept.slice(drop)
  }
}

function marked(record: DecisionRecord): DecisionRecord {
  return { ...record, head: 'unlogged' }
}

function isOpen({ state }: HeadStanding): boolean {
  return state === 'pending' || state === 'overdue'
}
