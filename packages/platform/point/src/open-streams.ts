import type { LoadCounter } from './shared-load.ts'
import type { StreamEnd, StreamTerms } from './stream-terms.ts'

/** Something in flight that can be cut: a request with its response, or a tunnel. */
export interface OpenStream {
  readonly terms: StreamTerms | undefined
  cut(cause: StreamEnd): void
  /** Neighbours in {@link OpenStreams}; nobody else touches them. */
  before: OpenStream | undefined
  after: OpenStream | undefined
}

/**
 * Everything in flight.
 *
 * A list of the streams themselves, not a `Set`: when a set of the old generation grows, its former table
 * keeps what was in flight from being collected, until the next full collection. That was measured at a
 * quarter of the relay's time.
 */
export class OpenStreams {
  readonly #inFlight: LoadCounter
  #first: OpenStream | undefined
  #size = 0

  /** `inFlight` counts what is in here together with what is in flight in other threads. */
  constructor(inFlight: LoadCounter) {
    this.#inFlight = inFlight
  }

  get size(): number {
    return this.#size
  }

  add(stream: OpenStream): void {
    const first = this.#first
    stream.after = first
    if (first !== undefined) first.before = stream
    this.#first = stream
    this.#size++
    // Whoever adds has looked at the limit; a few threads that look at once may pass it by as many.
    this.#inFlight.enter(Infinity)
  }

  /** Removes a stream that was added, once. */
  delete(stream: OpenStream): void {
    const { before, after } = stream
    if (before === undefined) this.#first = after
    else before.after = after
    if (after !== undefined) after.before = before
    // Nothing dead may hold on to what is alive.
    stream.before = undefined
    stream.after = undefined
    this.#size--
    this.#inFlight.leave()
  }

  /** Cuts what is past its end. Returns how many. */
  cutEnded(nowMs: number): number {
    return this.#cut('ended', ({ terms }) => terms?.endsAtMs !== undefined && terms.endsAtMs <= nowMs)
  }

  /** Cuts what has a subject that passes `test`. Returns how many. */
  cutRevoked(test: (subject: unknown) => boolean): number {
    return this.#cut('revoked', ({ terms }) => terms?.subject !== undefined && test(terms.subject))
  }

  /** Cuts everything. */
  cutAll(): void {
    this.#cut('stopping', () => true)
  }

  #cut(cause: StreamEnd, test: (stream: OpenStream) => boolean): number {
    const found: OpenStream[] = []
    for (let stream = this.#first; stream !== undefined; stream = stream.after) {
      if (test(stream)) found.push(stream)
    }
    for (const stream of found) stream.cut(cause)
    return found.length
  }
}
