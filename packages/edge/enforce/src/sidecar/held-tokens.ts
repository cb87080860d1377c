import { type Clock, isQipError, parseBase64url, type ServiceId, systemClock } from '@quantum-ip/base'
import {
  exchangeToken,
  type IssuedToken,
  openTokenPool,
  requestTokens,
  type Session,
  type TokenPool,
} from '@quantum-ip/client'
import type { ProofSigner } from '@quantum-ip/crypto'
import type { SidecarObserver } from '@quantum-ip/telemetry'
import type { InboundCall } from './inbound-call.ts'

/** What token is wanted. */
export interface TokenWish {
  /** The service that is called. */
  readonly audience: ServiceId
  readonly oneTime: boolean
  /** Whether it is bound to the key of this sidecar. */
  readonly isBound: boolean
}

/** How tokens are held. */
export interface HeldTokensOptions {
  /** Of the service itself, role `workload`. */
  readonly session: Session
  /** Held from the start, and also while nobody asks. */
  readonly named: readonly TokenWish[]
  /** Audiences beside those; the longest unused one gives way. */
  readonly audiencesMax: number
  readonly draw: { readonly min: number; readonly max: number; readonly lowWater: number }
  /** The key that bound tokens are bound to. */
  readonly signer: ProofSigner
  /** Hears of each token that was asked for. */
  readonly onToken?: SidecarObserver['token']
  readonly onRefreshFailed?: (error: unknown) => void
  readonly clock?: Clock
}

interface Kept {
  readonly token: Promise<IssuedToken>
  endsMs: number
}

/** Before its end a token is handed out no more. */
const marginMs = 5_000

/**
 * The tokens of one service: those of named audiences always ahead, others as they are asked for, and those that extend the chain of an
 * inbound call, kept with that call.
 */
export class HeldTokens implements Disposable {
  readonly #options: HeldTokensOptions
  readonly #clock: Clock
  readonly #jkt: Uint8Array
  readonly #named = new Map<string, TokenPool>()
  // In the order of their last use.
  readonly #others = new Map<string, TokenPool>()
  readonly #extended = new WeakMap<InboundCall, Map<string, Kept>>()

  constructor(options: HeldTokensOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#jkt = parseBase64url(options.signer.key.kid)
    for (const wish of options.named) {
      const key = keyOf(wish)
      if (!this.#named.has(key)) this.#named.set(key, this.#open(wish, true))
    }
  }

  /** One-time and other tokens that could be handed out now. */
  get held(): number {
    let held = 0
    for (const pool of this.#named.values()) held += pool.held
    for (const pool of this.#others.values()) held += pool.held
    return held
  }

  /** Named audiences, and those of them for which there is a token now. */
  warmth(): { readonly named: number; readonly warm: number } {
    const pools = [...this.#named.values()]
    return { named: pools.length, warm: pools.filter((pool) => pool.held > 0).length }
  }

  /**
   * Orders what is missing of the named ones.
   *
   * @throws {ClientError} the first failure; the others are under way all the same.
   */
  async prepare(): Promise<void> {
    await Promise.all([...this.#named.values()].map((pool) => pool.prepare()))
  }

  /** A token in the name of this service alone. @throws {ClientError} */
  take(wish: TokenWish): Promise<IssuedToken> {
    return this.#told('held', this.#poolOf(wish).take())
  }

  /** A token that names the caller of `call`, and those before. A many-use one is kept for further calls. @throws {ClientError} */
  takeFor(call: InboundCall, wish: TokenWish): Promise<IssuedToken> {
    const exchange = (): Promise<IssuedToken> => this.#told('exchanged', this.#exchange(call, wish))
    if (wish.oneTime) return exchange()
    let kept = this.#extended.get(call)
    if (kept === undefined) this.#extended.set(call, (kept = new Map<string, Kept>()))
    const key = keyOf(wish)
    const before = kept.get(key)
    if (before !== undefined && this.#clock.now() < before.endsMs) return before.token
    const fresh: Kept = { token: exchange(), endsMs: Number.POSITIVE_INFINITY }
    kept.set(key, fresh)
    fresh.token.then(
      ({ expiresS }) => {
        fresh.endsMs = this.#endOf(expiresS)
      },
      () => {
        if (kept.get(key) === fresh) kept.delete(key)
      },
    )
    return fresh.token
  }

  /** A token for one request, which is not kept; `call` is the one that it extends. @throws {ClientError} */
  order(
    wish: TokenWish,
    { call, requestBinding }: { readonly call: InboundCall | undefined; readonly requestBinding: Uint8Array },
  ): Promise<IssuedToken> {
    if (call !== undefined) return this.#told('exchanged', this.#exchange(call, wish, requestBinding))
    const { audience, oneTime, isBound } = wish
    const confirmation = isBound ? { confirmation: { jkt: this.#jkt } } : {}
    const ordered = requestTokens(this.#options.session, {
      audience,
      oneTime,
      requestBinding,
      ...confirmation,
    }).then(([token]) => token as IssuedToken)
    return this.#told('ordered', ordered)
  }

  /** Lets a token go that somebody refused, and those before it; `false` where another would be no better, or was drawn just now. */
  discard(wish: TokenWish, token: IssuedToken, call: InboundCall | undefined): boolean {
    const key = keyOf(wish)
    if (call === undefined) return (this.#named.get(key) ?? this.#others.get(key))?.discard(token) ?? false
    // One that is exchanged for one request is as new as any.
    return this.#extended.get(call)?.delete(key) ?? false
  }

  [Symbol.dispose](): void {
    for (const pool of [...this.#named.values(), ...this.#others.values()]) pool.close()
  }

  #poolOf(wish: TokenWish): TokenPool {
    const key = keyOf(wish)
    const named = this.#named.get(key)
    if (named !== undefined) return named
    const pool = this.#others.get(key) ?? this.#open(wish, false)
    this.#others.delete(key)
    this.#others.set(key, pool)
    if (this.#others.size > this.#options.audiencesMax) {
      // Not closed: somebody may be waiting for a token of it. It orders nothing more once nobody takes any.
      for (const oldest of this.#others.keys()) {
        this.#others.delete(oldest)
        break
      }
    }
    return pool
  }

  #open({ audience, oneTime, isBound }: TokenWish, standing: boolean): TokenPool {
    const { session, draw, onRefreshFailed } = this.#options
    return openTokenPool(session, {
      audience,
      oneTime,
      standing,
      marginMs,
      drawMin: draw.min,
      drawMax: draw.max,
      lowWater: draw.lowWater,
      clock: this.#clock,
      ...(isBound && { confirmation: { jkt: this.#jkt } }),
      ...(onRefreshFailed !== undefined && { onRefreshFailed }),
    })
  }

  #exchange(
    call: InboundCall,
    { audience, oneTime, isBound }: TokenWish,
    requestBinding?: Uint8Array,
  ): Promise<IssuedToken> {
    return exchangeToken(this.#options.session, {
      subjectToken: call.token,
      audience,
      oneTime,
      ...(isBound && { jkt: this.#jkt }),
      ...(requestBinding !== undefined && { requestBinding }),
    })
  }

  #endOf(expiresS: number): number {
    const expiresMs = expiresS * 1_000
    return expiresMs - Math.min(marginMs, Math.max(0, expiresMs - this.#clock.now()) / 10)
  }

  async #told(
    way: Parameters<SidecarObserver['token']>[0],
    token: Promise<IssuedToken>,
  ): Promise<IssuedToken> {
    try {
      const issued = await token
      this.#options.onToken?.(way, 'ok')
      return issued
    } catch (error) {
      this.#options.onToken?.(
        way,
        isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED') ? 'refused' : 'unavailable',
      )
      throw error
    }
  }
}

function keyOf({ audience, oneTime, isBound }: TokenWish): string {
  return `${audience} ${oneTime} ${isBound}`
}
