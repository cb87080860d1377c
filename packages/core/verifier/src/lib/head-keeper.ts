import { equalBytes } from '@quantum-ip/base'
import type { KeySig, StapledHead } from '@quantum-ip/token'
import type { TrustView } from '@quantum-ip/trust'
import type { EventHead, VerifierObserver } from '../observer.ts'
import type { HeadTuple } from '../sources.ts'
import type { Reason } from '../verdict.ts'
import type { VerifierStats } from '../verifier.ts'
import type { HeadOptions, UnanchoredHeads } from '../verifier-options.ts'
import { HeadFetcher, headOf } from './head-fetcher.ts'
import { HeadVerification } from './head-verification.ts'
import { ProvisionalHeads } from './provisional-heads.ts'
import { callerClass, idleClass, type SignatureQueue } from './signature-queue.ts'
import { TokenBucket } from './token-bucket.ts'
import type { TokenFacts } from './token-facts.ts'

// Verifications of heads that cannot help the token that brought them, only show that a key is stolen.
const suspectsPerS = 10

/** A head that came with a request: the token's own signatures, or a stapled head. */
export interface PresentedHead {
  readonly sigs: readonly KeySig[]
  readonly staple: string | undefined
  /** Of the service that is asked, 0 to 2: who waits before whom. */
  readonly priority: number
}

/** What {@link HeadKeeper} is made of. */
export interface HeadKeeperParts {
  readonly trust: TrustView
  readonly observer: VerifierObserver
  readonly stopwatch: () => number
  readonly queue: SignatureQueue
  readonly options: HeadOptions
}

/**
 * Decides whether the head that a token's proof leads to is one that this trust domain has signed.
 *
 * A head is held under exactly (origin, key, start, end): the same claims and path also evaluate under
 * shifted positions, so a hash without its tuple would let a spent or revoked token move to a new index.
 */
export class HeadKeeper {
  readonly provisional: ProvisionalHeads
  #hits = 0
  readonly #trust: TrustView
  readonly #unanchored: UnanchoredHeads
  readonly #verification: HeadVerification
  readonly #fetcher: HeadFetcher
  readonly #suspects = new TokenBucket(suspectsPerS)

  constructor({ trust, observer, stopwatch, queue, options }: HeadKeeperParts) {
    this.#trust = trust
    this.#unanchored = options.unanchored ?? 'audit'
    this.#verification = new HeadVerification({ trust, observer, stopwatch, queue })
    this.provisional = new ProvisionalHeads({
      trust,
      observer,
      unanchored: this.#unanchored,
      listedWithinMs: options.listedWithinMs ?? 60_000,
      reportedAfterMs: options.reportedAfterMs ?? 5_000,
    })
    this.#fetcher = new HeadFetcher({
      source: options.source,
      trust,
      observer,
      fetchesPerS: options.fetchesPerS ?? 50,
      batchTokensMax: options.batchTokensMax ?? 1_024,
    })
  }

  /** What is held, and how often {@link look} found it. */
  stats(): Pick<VerifierStats, 'provisionalHeads' | 'headHits'> {
    return { provisionalHeads: this.provisional.size, headHits: this.#hits }
  }

  /**
   * Whether the head is held: `undefined` if it is, the reason if it can never be, `ask` if somebody has
   * to be asked. A head that came with the request cannot change any of these answers.
   */
  look(facts: TokenFacts, isFresh: boolean): Reason | 'ask' | undefined {
    const listed = this.#trust.headFor(facts.log, facts.keyId, facts)
    if (listed !== undefined) {
      facts.provisional = undefined
      if (listed !== facts.head && !equalBytes(listed, headOfFacts(facts))) return 'signature_invalid'
      // The next time it is the same array.
      facts.head = listed
      this.#hits += 1
      return undefined
    }
    if (isFresh && this.#wasNeverListed(facts)) return 'head_unknown'
    const held = this.#unanchored === 'reject' ? undefined : this.provisional.find(facts)
    if (held === undefined) return 'ask'
    if (!equalBytes(held.signed.hash, headOfFacts(facts))) return 'signature_invalid'
    if (held.state === 'overdue') return 'head_unavailable'
    facts.provisional = held
    this.#hits += 1
    return undefined
  }

  /** Verifies the presented head, or fetches one. Afterwards {@link look} knows. */
  async ask(facts: TokenFacts, presented: PresentedHead, nowMs: number): Promise<Reason | undefined> {
    if (this.#unanchored === 'reject' || this.provisional.isFull) return 'head_unavailable'
    const own = this.#presentedHead(facts, presented)
    if (own !== undefined) {
      const place = callerClass(presented.priority, 'head')
      const holds = await this.#verification.holds(own, { keyId: facts.keyId, place })
      if (holds === 'shed') return 'overloaded'
      if (!holds) return 'signature_invalid'
      this.#hold(facts, own, nowMs)
      return undefined
    }
    const fetched = await this.#fetcher.fetch(tupleOf(facts), nowMs)
    if (fetched === 'absent') return 'head_unknown'
    // An answer without valid signatures is nobody's answer: what stands between us and the authority may have made it up.
    if (fetched === 'unavailable') return 'head_unavailable'
    const holds = await this.#verification.holds(fetched, { keyId: facts.keyId, place: 0 })
    if (holds !== true) return 'head_unavailable'
    this.#hold(facts, fetched, nowMs)
    return undefined
  }

  /**
   * Looks into a head that came with a refused token: if its signatures hold, the issuing key signed what
   * it must not have. Bounded, in the background, and without any effect on the refusal.
   */
  suspect(facts: TokenFacts, presented: PresentedHead, nowMs: number): void {
    // A head is dropped when its last token has expired; whatever is past that shows nothing.
    if (facts.exp * 1_000 <= nowMs || this.provisional.isFull) return
    const own = this.#presentedHead(facts, presented)
    if (own === undefined || !this.#suspects.take(nowMs)) return
    // A defect in here must not take the process down: nobody waits for the answer.
    this.#investigate(facts, own, nowMs).catch(() => {})
  }

  async #investigate(facts: TokenFacts, own: StapledHead, nowMs: number): Promise<void> {
    const holds = await this.#verification.holds(own, { keyId: facts.keyId, place: idleClass })
    if (holds !== true) return
    const listed = this.#trust.headFor(facts.log, facts.keyId, facts)
    if (listed !== undefined && !equalBytes(listed, own.hash)) {
      const other: EventHead = { ...tupleOf(facts), hash: listed, signed: undefined }
      this.provisional.equivocated(provisionalHead(facts, own, nowMs), other)
    } else if (listed === undefined) {
      this.#hold(facts, own, nowMs)
    }
  }

  #hold(facts: TokenFacts, signed: StapledHead, nowMs: number): void {
    this.provisional.add(provisionalHead(facts, signed, nowMs))
  }

  #wasNeverListed(facts: TokenFacts): boolean {
    const size = this.#trust.logSize(facts.log)
    return facts.end <= size && facts.end > this.#trust.headsCompleteFrom(facts.log)
  }

  // The presented head, if it is of the token's tuple and computed hash and has all signatures that it needs.
  #presentedHead(facts: TokenFacts, { sigs, staple }: PresentedHead): StapledHead | undefined {
    const hash = headOfFacts(facts)
    const { log: origin, start, end } = facts
    if (sigs.length > 0) {
      const own = { origin, start, end, hash, sigs }
      if (this.#verification.isComplete(own)) return own
    }
    if (staple === undefined) return undefined
    const stapled = headOf(staple, { origin, start, end })
    if (stapled === undefined || !equalBytes(stapled.hash, hash)) return undefined
    return this.#verification.isComplete(stapled) ? stapled : undefined
  }
}

function headOfFacts(facts: TokenFacts): Uint8Array {
  if (facts.head === undefined) throw new TypeError('the proof was not evaluated')
  return facts.head
}

function tupleOf({ td, log: origin, keyId, start, end }: TokenFacts): HeadTuple {
  return { td, origin, keyId, start, end }
}

function provisionalHead(facts: TokenFacts, signed: StapledHead, seenMs: number) {
  return {
    tuple: tupleOf(facts),
    kid: facts.kid,
    signed,
    seenMs,
    state: 'pending' as const,
    decisions: 0,
    isTold: false,
  }
}
