import { equalBytes, limits } from '@quantum-ip/base'
import type { Envelope } from '@quantum-ip/crypto'
import { chainHead, headChainStart, type HeadRecord } from '../head-record.ts'
import type { State } from '../state.ts'
import { TrustError } from '../trust-errors.ts'
import { HeadJournal, type JournalExcerpt } from './head-journal.ts'
import { HeldHeads } from './held-heads.ts'

/** A state that is about to take effect. */
interface Offer {
  readonly held: State | undefined
  readonly state: State
  /** Heads listed between the two, as the feed or a snapshot gave them. */
  readonly heads: readonly HeadRecord[]
  readonly gap: 'accept' | 'refuse'
}

/** Heads that may be held, once the state that confirms them takes effect. */
export interface PreparedHeads {
  readonly listed: readonly HeadRecord[]
  /** Whether they are all that were listed since the state that is held. */
  readonly isComplete: boolean
}

/** Follows the heads that states list: which are in force, which are missing, and what proves them after a restart. */
export class HeadTracker {
  readonly #held: HeldHeads
  readonly #journal: HeadJournal

  constructor(limit: number) {
    this.#held = new HeldHeads(limit)
    this.#journal = new HeadJournal(limit)
    this.#journal.restart(undefined, 0)
  }

  /** Heads that are held. */
  get size(): number {
    return this.#held.size
  }

  list(): Iterable<HeadRecord> {
    return this.#held.list()
  }

  find(origin: string, start: number, end: number): Uint8Array | undefined {
    return this.#held.find(origin, start, end)
  }

  completeFrom(origin: string): number {
    return this.#held.completeFrom(origin)
  }

  excerpt(): JournalExcerpt {
    return this.#journal.excerpt()
  }

  /**
   * Checks the heads that a state lists and confirms, without holding them yet.
   *
   * @throws {TrustError} `QIP_TRUST_CHAIN_MISMATCH` · `QIP_TRUST_HEADS_MISSING` · `QIP_TRUST_HEAD_CONFLICT`
   */
  prepare({ held, state, heads, gap }: Offer): PreparedHeads {
    const before = heads.reduce((chain, head) => chainHead(chain, head), held?.headChain ?? headChainStart)
    const after = state.heads.reduce((chain, head) => chainHead(chain, head), before)
    let listed: readonly HeadRecord[] = state.heads
    let isComplete = true
    if (equalBytes(after, state.headChain)) listed = [...heads, ...state.heads]
    else if (heads.length > 0) {
      // The list may have come with this state's own at its end.
      if (!equalBytes(before, state.headChain))
        throw new TrustError('QIP_TRUST_CHAIN_MISMATCH', { chain: 'heads' })
      listed = heads
    } else if (gap === 'accept') isComplete = false
    else {
      const details = { heldSeq: held?.seq ?? 0, offeredSeq: state.seq }
      throw new TrustError('QIP_TRUST_HEADS_MISSING', details)
    }
    this.#held.check(listed)
    return { listed, isComplete }
  }

  /** Holds what {@link prepare} checked. Returns how many unexpired heads had to go. */
  commit({ listed, isComplete }: PreparedHeads, envelope: Envelope, state: State): number {
    const { logs, timeMs } = state
    // A token counts until its `exp` plus the tolerance, on a clock that may be behind by the tolerance.
    const expiredS = Math.floor(timeMs / 1_000) - 2 * limits.clockToleranceS
    // Where the chain holds, a log that is new here has listed all its heads since; in a gap, nobody knows.
    for (const [origin, { size }] of logs) this.#held.follow(origin, isComplete ? 0 : size, !isComplete)
    if (isComplete) this.#journal.append(listed, envelope, timeMs)
    else this.#journal.restart(envelope, timeMs)
    this.#journal.prune(expiredS)
    const dropped = this.#held.add(listed, expiredS)
    this.#held.forgetLogs((origin) => logs.has(origin))
    return dropped
  }
}
