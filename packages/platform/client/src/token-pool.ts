import { type Clock, systemClock } from '@quantum-ip/base'
import type { IssuedToken } from './issued-token.ts'
import { OneTimeStock } from './lib/one-time-stock.ts'
import { RefreshedToken } from './lib/refreshed-token.ts'
import type { Session } from './session.ts'
import type { TokenKind } from './token-order.ts'
import { requestTokens } from './tokens.ts'

/** How a pool keeps tokens. */
export interface TokenPoolOptions extends TokenKind {
  /** Milliseconds before its end at which a token is no longer handed out. Default 5,000, at most a tenth of its life. */
  readonly marginMs?: number
  /** One-time tokens: what is drawn first; it grows and shrinks with the demand. Default 16. */
  readonly drawMin?: number
  /** One-time tokens: what is drawn at most. Default and limit 1,000. */
  readonly drawMax?: number
  /** One-time tokens: drawn anew when fewer are left than this share of the last draw. Default 0.5. */
  readonly lowWater?: number
  /** One-time tokens: callers that may wait at once. Default 10,000. */
  readonly waitersMax?: number
  /** Tokens are kept also while nobody takes any: for those that must be there when the authority is away. Default false. */
  readonly standing?: boolean
  /** Told of every order that failed while tokens were still there, so that nobody waited for it. */
  readonly onRefreshFailed?: (error: unknown) => void
  /** Default: the system's. */
  readonly clock?: Clock
}

/** Tokens of one kind, ready to be sent. */
export interface TokenPool extends Disposable {
  /**
   * A token to put into the next request, with its staple. Many-use: the present one. One-time: one that nobody else gets.
   *
   * @throws {ClientError} as `requestTokens`, if there is none and none can be had · `QIP_CLIENT_POOL_EXHAUSTED` ·
   *   `QIP_CLIENT_CLOSED`
   */
  take(): Promise<IssuedToken>
  /**
   * Resolves once there is a token to hand out; orders where there is none, and hands none out. For warming up.
   *
   * @throws {ClientError} as {@link take}
   */
  prepare(): Promise<void>
  /** Tokens that could be handed out now. */
  readonly held: number
  /**
   * Lets a token go before its end, because somebody refused it, and what was drawn with it or before: the next {@link take} orders
   * another. `false` where that was done within the last 10 seconds, so that whoever refuses everything costs the authority little.
   */
  discard(token: IssuedToken): boolean
  /** Orders nothing more. Callers that wait are refused. */
  close(): void
}

/**
 * Opens a pool of tokens of one kind. Nothing is ordered before the first {@link TokenPool.take}.
 *
 * A many-use token is refreshed ahead of its end, as long as it is in use: patiently, so that the authority can put many orders into
 * one batch, at a random moment, and never twice at a time. One-time tokens are drawn in bulk.
 */
export function openTokenPool(session: Session, options: TokenPoolOptions): TokenPool {
  const { audience, ttlS, oneTime, form, build, confirmation, clock = systemClock } = options
  const kind: TokenKind = {
    audience,
    ...(ttlS !== undefined && { ttlS }),
    ...(oneTime !== undefined && { oneTime }),
    ...(form !== undefined && { form }),
    ...(build !== undefined && { build }),
    ...(confirmation !== undefined && { confirmation }),
  }
  const order = (count: number, patient: boolean) => requestTokens(session, { ...kind, count, patient })
  const { marginMs = 5_000, standing = false, onRefreshFailed = () => undefined } = options
  const ordering = { order, clock, marginMs, standing, onRefreshFailed }
  if (oneTime !== true) return new RefreshedToken(ordering)
  const { drawMin = 16, drawMax = 1_000, lowWater = 0.5, waitersMax = 10_000 } = options
  if (drawMin < 1 || drawMax > 1_000 || drawMin > drawMax) throw new TypeError('a draw is 1 to 1,000 tokens')
  return new OneTimeStock({ ...ordering, drawMin, drawMax, lowWater, waitersMax })
}
