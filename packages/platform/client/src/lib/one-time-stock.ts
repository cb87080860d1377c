import { ClientError } from '../client-errors.ts'
import type { IssuedToken } from '../issued-token.ts'
import type { TokenPool } from '../token-pool.ts'
import { backoffMs, jittered } from './backoff.ts'
import { FailFast } from './fail-fast.ts'
import { discardEveryMs, type Ordering } from './refreshed-token.ts'

/** How a stock of one-time tokens is kept. */
export interface StockOptions extends Ordering {
  readonly drawMin: number
  readonly drawMax: number
  readonly lowWater: number
  readonly waitersMax: number
}

interface Waiter {
  readonly resolve: (token: IssuedToken) => void
  readonly reject: (error: unknown) => void
}

interface StockedToken {
  readonly token: IssuedToken
  /** Not handed out from then on. */
  readonly endsMs: number
}

const failureBackoff = { firstMs: 500, maxMs: 30_000 }
/** No token lives longer; and past 2^31 ms a timer would fire at once. */
const timerMaxMs = 3_600_000

/**
 * One-time tokens, drawn in bulk.
 *
 * INVARIANT: a token leaves the stock in the same step in which it is handed out, so nobody gets one twice. One draw at a time.
 */
export class OneTimeStock implements TokenPool {
  readonly #options: StockOptions
  readonly #failFast: FailFast
  // Handed out from the front: those drawn first end first.
  #stock: StockedToken[] = []
  #front = 0
  #waiters: Waiter[] = []
  #isDrawing = false
  #draw: number
  #lastDrawMs = Number.NEGATIVE_INFINITY
  #lastDrawn = 0
  #wasted = 0
  #failures = 0
  #notBeforeMs = 0
  #discardedMs = Number.NEGATIVE_INFINITY
  #draws = 0
  /** With which draw each came. */
  readonly #drawn = new WeakMap<IssuedToken, number>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: StockOptions) {
    this.#options = options
    this.#failFast = new FailFast(options.clock)
    this.#draw = options.drawMin
  }

  async take(): Promise<IssuedToken> {
    if (this.#closed) throw closed()
    const token = this.#pop()
    if (token !== undefined) {
      if (this.#left() < this.#lastDrawn * this.#options.lowWater) this.#refill(true)
      return token
    }
    if (!this.#isDrawing) this.#failFast.check()
    const { waitersMax } = this.#options
    if (this.#waiters.length >= waitersMax) {
      throw new ClientError('QIP_CLIENT_POOL_EXHAUSTED', { waitersMax })
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#refill(false)
    })
  }

  /** As {@link take}, and the token stays. */
  async prepare(): Promise<void> {
    if (this.#closed) throw closed()
    if (this.held > 0) return
    await new Promise<void>((resolve, reject) => {
      // Put back in the step in which it was handed out: nobody else has seen it.
      const resolveWith = (token: IssuedToken): void => {
        this.#putBack(token)
        resolve()
      }
      this.#waiters.push({ resolve: resolveWith, reject })
      this.#refill(false)
    })
  }

  get held(): number {
    const now = this.#options.clock.now()
    let first = this.#front
    while (first < this.#stock.length && now >= (this.#stock[first] as StockedToken).endsMs) first++
    return this.#stock.length - first
  }

  discard(token: IssuedToken): boolean {
    const draw = this.#drawn.get(token)
    if (draw === undefined) return false
    const left = this.#stock.slice(this.#front)
    const newer = left.filter((each) => (this.#drawn.get(each.token) ?? 0) > draw)
    // Somebody else was refused with one of that draw.
    if (newer.length === left.length && newer.length > 0) return true
    const now = this.#options.clock.now()
    if (now - this.#discardedMs < discardEveryMs) return false
    this.#discardedMs = now
    this.#stock = newer
    this.#front = 0
    return true
  }

  close(): void {
    this.#closed = true
    this.#stock = []
    this.#front = 0
    clearTimeout(this.#timer)
    this.#refuseWaiters(closed())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #left(): number {
    return this.#stock.length - this.#front
  }

  #pop(): IssuedToken | undefined {
    this.#dropEnded(this.#options.clock.now())
    return this.#left() === 0 ? undefined : this.#stock[this.#front++]?.token
  }

  #dropEnded(now: number): void {
    while (this.#front < this.#stock.length && now >= (this.#stock[this.#front] as StockedToken).endsMs) {
      this.#front++
      this.#wasted++
    }
  }

  /** Draws, unless a draw is under way. Nobody waits for a patient one, so after a failure it is put off. */
  #refill(patient: boolean): void {
    if (this.#isDrawing || this.#closed) return
    const earlyMs = this.#notBeforeMs - this.#options.clock.now()
    if (patient && earlyMs > 0) {
      this.#stand(earlyMs)
      return
    }
    this.#isDrawing = true
    void this.#drawOnce(patient)
  }

  async #drawOnce(patient: boolean): Promise<void> {
    const { order, clock, onRefreshFailed, drawMax } = this.#options
    this.#adapt()
    try {
      const tokens = await order(Math.min(drawMax, Math.max(this.#draw, this.#waiters.length)), patient)
      this.#failures = 0
      this.#notBeforeMs = 0
      this.#failFast.succeeded()
      this.#isDrawing = false
      this.#store(tokens)
    } catch (error) {
      this.#isDrawing = false
      this.#failures++
      this.#notBeforeMs = clock.now() + backoffMs(failureBackoff, this.#failures)
      if (this.#closed) return
      this.#stand(this.#notBeforeMs - clock.now() + 10)
      if (this.#waiters.length === 0) onRefreshFailed(error)
      else this.#failFast.failed(error)
      this.#refuseWaiters(error)
    }
  }

  #store(tokens: readonly IssuedToken[]): void {
    if (this.#closed) return
    const { clock, marginMs } = this.#options
    const now = clock.now()
    this.#lastDrawn = tokens.length
    this.#lastDrawMs = now
    this.#dropEnded(now)
    this.#stock = this.#stock.slice(this.#front)
    this.#front = 0
    this.#draws++
    for (const token of tokens) {
      const expiresMs = token.expiresS * 1_000
      const endsMs = expiresMs - Math.min(marginMs, Math.max(0, expiresMs - now) / 10)
      this.#stock.push({ token, endsMs })
      this.#drawn.set(token, this.#draws)
    }
    this.#serve()
    const last = this.#stock.at(-1)
    if (last !== undefined) this.#stand(jittered((last.endsMs - now) * 0.8, 0.25))
  }

  /** A standing stock is drawn anew before its last token ends, or after a failure. */
  #stand(waitMs: number): void {
    if (!this.#options.standing) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#refill(true), Math.min(Math.max(waitMs, 100), timerMaxMs))
    this.#timer.unref()
  }

  #putBack(token: IssuedToken): void {
    const { clock, marginMs } = this.#options
    const expiresMs = token.expiresS * 1_000
    const endsMs = expiresMs - Math.min(marginMs, Math.max(0, expiresMs - clock.now()) / 10)
    if (this.#front === 0) this.#stock.unshift({ token, endsMs })
    else this.#stock[--this.#front] = { token, endsMs }
  }

  #serve(): void {
    let served = 0
    for (; served < this.#waiters.length; served++) {
      const token = this.#pop()
      if (token === undefined) break
      this.#waiters[served]?.resolve(token)
    }
    this.#waiters = this.#waiters.slice(served)
    // Tokens that ended on the way serve nobody: then the order failed, and trying at once would go round in circles.
    if (served === 0 && this.#waiters.length > 0) {
      const reason = 'the tokens that it issued have ended already; the clocks differ'
      const details = { operation: 'tokens', reason }
      this.#refuseWaiters(new ClientError('QIP_CLIENT_AUTHORITY_UNAVAILABLE', details))
    } else if (this.#waiters.length > 0) this.#refill(false)
  }

  #refuseWaiters(error: unknown): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(error)
  }

  /** Doubles the draw where the last one was gone within seconds, halves it where more than half of one ended unused. */
  #adapt(): void {
    const { clock, drawMin, drawMax } = this.#options
    const isShort = this.#waiters.length > 1 || clock.now() - this.#lastDrawMs < 10_000
    if (this.#wasted > this.#lastDrawn / 2) this.#draw = Math.max(drawMin, Math.floor(this.#draw / 2))
    else if (isShort) this.#draw = Math.min(drawMax, this.#draw * 2)
    this.#wasted = 0
  }
}

function closed(): ClientError {
  return new ClientError('QIP_CLIENT_CLOSED', { what: 'token pool' })
}
