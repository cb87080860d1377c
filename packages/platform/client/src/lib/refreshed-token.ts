import type { Clock } from '@quantum-ip/base'
import { ClientError } from '../client-errors.ts'
import type { IssuedToken } from '../issued-token.ts'
import type { TokenPool } from '../token-pool.ts'
import { backoffMs, jittered } from './backoff.ts'
import { FailFast } from './fail-fast.ts'

/** How a pool orders. */
export interface Ordering {
  readonly order: (count: number, patient: boolean) => Promise<readonly IssuedToken[]>
  readonly clock: Clock
  readonly marginMs: number
  /** Tokens are kept also while nobody takes any. */
  readonly standing: boolean
  readonly onRefreshFailed: (error: unknown) => void
}

/** Tokens that somebody refused are let go so often at most. */
export const discardEveryMs = 10_000
const failureBackoff = { firstMs: 1_000, maxMs: 30_000 }
/** A token is refreshed when this share of its life is over, or earlier by up to the spread. */
const refreshAt = 0.8
const refreshSpread = 0.25
/** No token lives longer; and past 2^31 ms a timer would fire at once. */
const timerMaxMs = 3_600_000

interface HeldToken {
  readonly token: IssuedToken
  /** Not handed out from then on. */
  readonly endsMs: number
  readonly refreshMs: number
}

/** One many-use token, replaced before it ends. */
export class RefreshedToken implements TokenPool {
  readonly #ordering: Ordering
  readonly #failFast: FailFast
  #held: HeldToken | undefined
  #ordered: Promise<IssuedToken> | undefined
  #isUsed = false
  #failures = 0
  #notBeforeMs = 0
  #discardedMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(ordering: Ordering) {
    this.#ordering = ordering
    this.#failFast = new FailFast(ordering.clock)
  }

  async take(): Promise<IssuedToken> {
    if (this.#closed) throw closed()
    const held = this.#held
    const now = this.#ordering.clock.now()
    if (held === undefined || now >= held.endsMs) {
      if (this.#ordered === undefined) this.#failFast.check()
      return this.#order(false)
    }
    this.#isUsed = true
    if (now >= held.refreshMs) this.#refresh()
    return held.token
  }

  async prepare(): Promise<void> {
    if (this.#closed) throw closed()
    if (this.held === 0) await this.#order(false)
  }

  get held(): number {
    return this.#held !== undefined && this.#ordering.clock.now() < this.#held.endsMs ? 1 : 0
  }

  discard(token: IssuedToken): boolean {
    // Another is there already: somebody else was refused with this one.
    if (this.#held?.token !== token) return true
    const now = this.#ordering.clock.now()
    if (now - this.#discardedMs < discardEveryMs) return false
    this.#discardedMs = now
    this.#held = undefined
    return true
  }

  close(): void {
    this.#closed = true
    this.#held = undefined
    clearTimeout(this.#timer)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Orders on the side; a failure is reported, and tried again later, while the token still holds. */
  #refresh(): void {
    const { clock, onRefreshFailed } = this.#ordering
    if (this.#closed || this.#ordered !== undefined) return
    const earlyMs = this.#notBeforeMs - clock.now()
    if (earlyMs > 0) {
      this.#wake(earlyMs)
      return
    }
    this.#order(true).catch((error: unknown) => {
      if (this.#closed) return
      this.#failures++
      const delayMs = backoffMs(failureBackoff, this.#failures)
      this.#notBeforeMs = clock.now() + delayMs
      this.#wake(delayMs)
      onRefreshFailed(error)
    })
  }

  /** One order at a time: who comes meanwhile gets the same token. */
  #order(patient: boolean): Promise<IssuedToken> {
    this.#ordered ??= this.#orderOnce(patient)
      .catch((error: unknown) => {
        if (!patient) this.#failFast.failed(error)
        throw error
      })
      .finally(() => {
        this.#ordered = undefined
      })
    return this.#ordered
  }

  async #orderOnce(patient: boolean): Promise<IssuedToken> {
    const { order, clock, marginMs } = this.#ordering
    const [token] = await order(1, patient)
    if (token === undefined) throw new TypeError('an order brings a token')
    if (this.#closed) throw closed()
    const now = clock.now()
    const expiresMs = token.expiresS * 1_000
    const lifeMs = Math.max(0, expiresMs - now)
    const refreshMs = now + jittered(lifeMs * refreshAt, refreshSpread)
    this.#held = { token, endsMs: expiresMs - Math.min(marginMs, lifeMs / 10), refreshMs }
    this.#isUsed = !patient
    this.#failures = 0
    this.#notBeforeMs = 0
    this.#failFast.succeeded()
    this.#wake(refreshMs - now)
    return token
  }

  /** Where nobody calls between the moment of refreshing and the end, the timer does it: for a token that was used, or is to stand. */
  #wake(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        if (this.#isUsed || this.#ordering.standing) this.#refresh()
      },
      Math.min(delayMs, timerMaxMs),
    )
    this.#timer.unref()
  }
}

function closed(): ClientError {
  return new ClientError('QIP_CLIENT_CLOSED', { what: 'token pool' })
}
