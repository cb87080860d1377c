import { type Clock } from '@quantum-ip/base'
import {
  type Admitted,
  isKnownBad,
  type OpenStream,
  OpenStreams,
  type QuarantineLimiter,
  type RevocationFeed,
  type SharedLoad,
  type StreamEnd,
  type StreamTerms,
  streamTerms,
} from '@quantum-ip/point'
import type { Verifier } from '@quantum-ip/verifier'

/** What it takes to end calls that are open for long. */
export interface CutOptions {
  /** Says when something was revoked: the trust store. */
  readonly trust: RevocationFeed
  readonly verifier: Pick<Verifier, 'recheck'>
  /** For clocks that differ, at the end of a token. Default 30. */
  readonly clockToleranceS?: number
}

/**
 * Takes a call whose answer begins. `cut` is called where it must end before its time. Returns what to call, once, when the answer is over.
 */
export type Hold = (cut: (why: StreamEnd) => void) => () => void

const sweepMs = 1_000

/** Calls whose answer is not over yet: they end with their token, and with what it stands for. */
export class OpenCalls implements Disposable {
  readonly #open: OpenStreams
  readonly #cut: CutOptions | undefined
  readonly #stop: () => void

  constructor(load: SharedLoad, clock: Clock, cut: CutOptions | undefined) {
    this.#open = new OpenStreams(load.counter('in flight'))
    this.#cut = cut
    if (cut === undefined) {
      this.#stop = () => undefined
      return
    }
    const recheck = (): void => {
      this.recheck()
    }
    const unsubscribe = cut.trust.subscribe({ onEpoch: recheck, onCompromised: recheck })
    const sweep = setInterval(() => this.#open.cutEnded(clock.now()), sweepMs).unref()
    this.#stop = () => {
      unsubscribe()
      clearInterval(sweep)
    }
  }

  get size(): number {
    return this.#open.size
  }

  /** What the adapter is to hold of an admitted call; `undefined` where nothing is limited and nothing can be cut. */
  holdOf(outcome: Admitted, limiter: QuarantineLimiter | undefined): Hold | undefined {
    const terms = this.#cut && streamTerms(outcome, (this.#cut.clockToleranceS ?? 30) * 1_000)
    if (terms === undefined && limiter === undefined) return undefined
    return (cut) => {
      const call = new OpenCall(terms, cut)
      this.#open.add(call)
      return () => {
        if (call.isOver) return
        call.isOver = true
        this.#open.delete(call)
        limiter?.leave()
      }
    }
  }

  /** Asks again about every open call, and cuts those whose token no longer holds. Returns how many. */
  recheck(): number {
    const verifier = this.#cut?.verifier
    return verifier === undefined ? 0 : this.#open.cutRevoked((subject) => isKnownBad(verifier, subject))
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}

class OpenCall implements OpenStream {
  readonly terms: StreamTerms | undefined
  readonly cut: (why: StreamEnd) => void
  before: OpenStream | undefined
  after: OpenStream | undefined
  isOver = false

  constructor(terms: StreamTerms | undefined, cut: (why: StreamEnd) => void) {
    this.terms = terms
    this.cut = cut
  }
}
