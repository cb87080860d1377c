import { equalBytes } from '@quantum-ip/base'
import { formatStaple } from '@quantum-ip/token'
import type { TrustView } from '@quantum-ip/trust'
import type { EventHead, VerifierObserver } from '../observer.ts'
import type { UnanchoredHeads } from '../verifier-options.ts'
import { type ProvisionalHead, tupleKey } from './provisional-head.ts'

const headsMax = 4_096

/** What {@link ProvisionalHeads} works by. */
export interface ProvisionalHeadRules {
  readonly trust: TrustView
  readonly observer: VerifierObserver
  readonly unanchored: UnanchoredHeads
  readonly listedWithinMs: number
  readonly reportedAfterMs: number
}

/**
 * The signed heads that no state had listed when they came, and the keys that are distrusted here
 * because of one.
 *
 * INVARIANT: a head in here never takes the place of a listed one; listed ones are asked for first.
 */
export class ProvisionalHeads {
  readonly #rules: ProvisionalHeadRules
  readonly #heads = new Map<string, ProvisionalHead>()
  readonly #distrusted = new Set<string>()
  #nextMs = Number.POSITIVE_INFINITY

  constructor(rules: ProvisionalHeadRules) {
    this.#rules = rules
  }

  get size(): number {
    return this.#heads.size
  }

  get isFull(): boolean {
    return this.#heads.size >= headsMax && this.#rules.unanchored !== 'accept'
  }

  /** Whether the key is distrusted here, for as long as this process lives. */
  isDistrusted(kid: string): boolean {
    return this.#distrusted.size > 0 && this.#distrusted.has(kid)
  }

  find(tuple: { log: string; keyId: number; start: number; end: number }): ProvisionalHead | undefined {
    // No name is made where there is nothing to find.
    if (this.#heads.size === 0) return undefined
    return this.#heads.get(
      tupleKey({ origin: tuple.log, keyId: tuple.keyId, start: tuple.start, end: tuple.end }),
    )
  }

  /** Takes in a head whose signatures hold; the one that is held already, if it is the same. */
  add(head: ProvisionalHead): ProvisionalHead {
    const key = tupleKey(head.tuple)
    const held = this.#heads.get(key)
    if (held !== undefined) {
      if (!equalBytes(held.signed.hash, head.signed.hash)) this.equivocated(head, eventHead(held))
      return held
    }
    if (this.#heads.size >= headsMax) this.#heads.delete(this.#heads.keys().next().value ?? '')
    this.#heads.set(key, head)
    if (this.#rules.unanchored !== 'accept') {
      this.#nextMs = Math.min(this.#nextMs, head.seenMs + this.#rules.listedWithinMs)
    }
    return head
  }

  /** Records that the issuing key signed two heads for one tuple: it is compromised here. */
  equivocated(head: ProvisionalHead, other: EventHead): void {
    if (this.#distrusted.has(head.kid)) return
    this.#distrusted.add(head.kid)
    this.#rules.observer.event({ kind: 'log_equivocation', heads: [other, eventHead(head)] })
  }

  /** Compares with the trust state, if it is another than before or a head's time is up. */
  reconcile(nowMs: number, stateMs: number, isNewState: boolean): void {
    if (!isNewState && nowMs < this.#nextMs) return
    this.#nextMs = Number.POSITIVE_INFINITY
    for (const [key, head] of this.#heads) {
      this.#settle(head, nowMs, stateMs)
      if (head.state === 'anchored' || head.state === 'refused') this.#heads.delete(key)
      else if (head.state === 'pending' && this.#rules.unanchored !== 'accept') {
        this.#nextMs = Math.min(this.#nextMs, head.seenMs + this.#rules.listedWithinMs)
      }
    }
  }

  #settle(head: ProvisionalHead, nowMs: number, stateMs: number): void {
    const { trust, unanchored, listedWithinMs } = this.#rules
    const { origin, keyId } = head.tuple
    const listed = trust.headFor(origin, keyId, head.tuple)
    if (listed !== undefined) {
      const same = equalBytes(listed, head.signed.hash)
      head.state = same ? 'anchored' : 'refused'
      if (!same) this.equivocated(head, { ...head.tuple, hash: listed, signed: undefined })
      return
    }
    if (unanchored === 'accept') return
    // The authority took the key back, and has not listed the head: there is nothing left to wait for.
    if (trust.revocations.isKeyRevoked(head.kid)) return this.#refuse(head)
    this.#tell(head, stateMs)
    if (nowMs < head.seenMs + listedWithinMs) return
    if (stateMs < head.seenMs + listedWithinMs) {
      // The feed is behind: that proves nothing against the key, but the head has had its time.
      head.state = 'overdue'
      return
    }
    this.#refuse(head)
  }

  /** Once, when a state is out that was signed so long after: lists lag by one state, not by seconds. */
  #tell(head: ProvisionalHead, stateMs: number): void {
    if (head.isTold || stateMs < head.seenMs + this.#rules.reportedAfterMs) return
    head.isTold = true
    const { decisions } = head
    this.#rules.observer.event({ kind: 'head_late', head: eventHead(head), decisions })
  }

  #refuse(head: ProvisionalHead): void {
    head.state = 'refused'
    this.#distrusted.add(head.kid)
    const { decisions } = head
    this.#rules.observer.event({ kind: 'head_unlogged', head: eventHead(head), decisions })
  }
}

function eventHead({ tuple, signed }: ProvisionalHead): EventHead {
  return { ...tuple, hash: signed.hash, signed: formatStaple([signed]) }
}
