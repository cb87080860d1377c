import type { ServiceId } from '@quantum-ip/base'
import type { Confirmation } from '@quantum-ip/token'

/** The forms in which tokens are issued. */
export type TokenOrderForm = 'compact' | 'standalone' | 'jwt' | 'reference'

/** What kind of token is wanted. */
export interface TokenKind {
  /** Whom it is for: 1 to 8 services; exactly one for a one-time token. */
  readonly audience: ServiceId | readonly ServiceId[]
  /** Seconds. Default: the trust domain's. */
  readonly ttlS?: number
  /** Good for one request. Default false. */
  readonly oneTime?: boolean
  /** Default `compact`. */
  readonly form?: TokenOrderForm
  /** Which of the session's builds it names, SHA-256 in lowercase hex. Default: the only one, if there is one. */
  readonly build?: string
  /** Binds it to a key or certificate of the bearer. */
  readonly confirmation?: Confirmation
}

/** An order for tokens that differ in their nonce alone. */
export interface TokenOrder extends TokenKind {
  /** 1..1,000; default 1. */
  readonly count?: number
  /** Binds them to one request; see `requestBinding` of `@quantum-ip/token`. */
  readonly requestBinding?: Uint8Array
  /** May wait up to a second to share a batch with others: for refreshing what still holds. */
  readonly patient?: boolean
}
