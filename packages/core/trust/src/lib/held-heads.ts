import { equalBytes, hex } from '@quantum-ip/base'
import type { HeadRecord } from '../head-record.ts'
import { trustLimits } from '../payload-types.ts'
import { TrustError } from '../trust-errors.ts'
import { ExpiryQueue } from './expiry-queue.ts'

/** The heads of one token log. */
interface LogHeads {
  // Few heads begin at one index, mostly one: an array only where there are more.
  readonly byStart: Map<number, HeadRecord | HeadRecord[]>
  /** Every head with a larger `end` that any state listed is held, or has expired. */
  completeFrom: number
}

/**
 * Heads that states listed, by (origin, start, end), until they expire.
 *
 * Bounded: above the limit those that expire soonest go first. A dropped head costs a fetch and is never mistaken for one
 * that was not listed: `completeFrom` of its log rises above it.
 */
export class HeldHeads {
  readonly #limit: number
  readonly #logs = new Map<string, LogHeads>()
  readonly #queue = new ExpiryQueue<HeadRecord>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#queue.size
  }

  /** All of them, in no order. */
  *list(): Iterable<HeadRecord> {
    for (const { byStart } of this.#logs.values()) {
      for (const found of byStart.values()) {
        if (Array.isArray(found)) yield* found
        else yield found
      }
    }
  }

  find(origin: string, start: number, end: number): Uint8Array | undefined {
    const found = this.#logs.get(origin)?.byStart.get(start)
    if (found === undefined) return undefined
    if (!Array.isArray(found)) return found.end === end ? found.hash : undefined
    for (const head of found) if (head.end === end) return head.hash
    return undefined
  }

  completeFrom(origin: string): number {
    return this.#logs.get(origin)?.completeFrom ?? Number.POSITIVE_INFINITY
  }

  /**
   * Follows a log from now on: one that is new is complete from `completeFrom` on. With `isGap`, what was listed before is unknown
   * for one that is not new, too.
   */
  follow(origin: string, completeFrom: number, isGap: boolean): void {
    const log = this.#logs.get(origin)
    if (log === undefined) this.#logs.set(origin, { byStart: new Map(), completeFrom })
    else if (isGap) log.completeFrom = Math.max(log.completeFrom, completeFrom)
  }

  /**
   * Forgets logs that are neither listed nor have heads left, once there are many: to forget one is to forget from where on
   * it was complete.
   */
  forgetLogs(isListed: (origin: string) => boolean): void {
    if (this.#logs.size <= 2 * trustLimits.logsMax) return
    for (const [origin, { byStart }] of this.#logs) {
      if (byStart.size === 0 && !isListed(origin)) this.#logs.delete(origin)
    }
  }

  /**
   * Checks that no head differs from one that is held, or from another of the list, under the same origin, start and end.
   *
   * @throws {TrustError} `QIP_TRUST_HEAD_CONFLICT`
   */
  check(heads: readonly HeadRecord[]): void {
    const listed = new Map<string, Uint8Array>()
    for (const { origin, start, end, hash } of heads) {
      const tuple = `${start} ${end} ${origin}`
      const held = this.find(origin, start, end) ?? listed.get(tuple)
      if (held !== undefined && !equalBytes(held, hash)) {
        const details = { origin, start, end, held: hex(held), listed: hex(hash) }
        throw new TrustError('QIP_TRUST_HEAD_CONFLICT', details)
      }
      listed.set(tuple, hash)
    }
  }

  /** Holds heads that have been checked. Returns how many unexpired ones had to go. */
  add(heads: readonly HeadRecord[], pruneBeforeS: number): number {
    for (const head of heads) if (head.exp >= pruneBeforeS) this.#add(head)
    this.prune(pruneBeforeS)
    let dropped = 0
    for (; this.#queue.size > this.#limit; dropped++) this.#drop()
    return dropped
  }

  /** Takes out what expired before `timeS`. */
  prune(timeS: number): void {
    while (this.#queue.nextAt < timeS) {
      const head = this.#queue.pop()
      if (head !== undefined) this.#remove(head)
    }
  }

  #add(head: HeadRecord): void {
    const { origin, start, end, exp } = head
    let log = this.#logs.get(origin)
    if (log === undefined) {
      log = { byStart: new Map(), completeFrom: Number.POSITIVE_INFINITY }
      this.#logs.set(origin, log)
    }
    const found = log.byStart.get(start)
    const others = found === undefined ? [] : Array.isArray(found) ? found : [found]
    const same = others.find((other) => other.end === end)
    // Listed again: the one that lasts stays.
    if (same !== undefined && same.exp >= exp) return
    const heads = [...others.filter((other) => other !== same), head]
    log.byStart.set(start, heads.length === 1 ? head : heads)
    this.#queue.push(head, exp)
  }

  #drop(): void {
    const head = this.#queue.pop()
    if (head === undefined) return
    const log = this.#remove(head)
    if (log !== undefined) log.completeFrom = Math.max(log.completeFrom, head.end)
  }

  // A head that was listed again under the same tuple stands there as another object, and stays.
  #remove(head: HeadRecord): LogHeads | undefined {
    const log = this.#logs.get(head.origin)
    if (log === undefined) return undefined
    const found = log.byStart.get(head.start)
    if (found === head) log.byStart.delete(head.start)
    if (!Array.isArray(found)) return log
    const others = found.filter((other) => other !== head)
    if (others.length === 0) log.byStart.delete(head.start)
    else log.byStart.set(head.start, others.length === 1 ? (others[0] as HeadRecord) : others)
    return log
  }
}
