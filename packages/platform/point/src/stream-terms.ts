import { type Verifier, type Verdict, statusOf } from '@quantum-ip/verifier'
import type { Admitted } from './outcome.ts'

/** What ends a request that is open before it ends by itself. */
export interface StreamTerms {
  /** From this time on (milliseconds since 1970) it is cut. */
  readonly endsAtMs?: number
  /** What a revocation is compared with. */
  readonly subject?: unknown
}

/** Why an open request ends before its time: its token has ended or was revoked, or the point stops. */
export type StreamEnd = 'ended' | 'revoked' | 'stopping'

/** Says when revocations and compromised keys take effect: `TrustStore` of trust is one. */
export interface RevocationFeed {
  subscribe(listener: { onEpoch?(epoch: number): void; onCompromised?(): void }): () => void
}

/**
 * The terms on which an admitted request stays open: to the end of its token, `toleranceMs` for clocks that differ, and as long as it
 * is not revoked. `undefined` where nothing is enforced, as in monitor mode, or nobody proved who it is: that cuts nothing either.
 */
export function streamTerms({ verdict, decision }: Admitted, toleranceMs: number): StreamTerms | undefined {
  if (!decision.enforced || !verdict.authenticated) return undefined
  if (verdict.expiresS === undefined) return { subject: verdict }
  return { endsAtMs: verdict.expiresS * 1_000 + toleranceMs, subject: verdict }
}

/**
 * Whether the verdict in `subject` is known not to hold any more. What cannot be asked about now was good when it began: only what is
 * known to be bad is cut.
 */
export function isKnownBad(verifier: Pick<Verifier, 'recheck'>, subject: unknown): boolean {
  return statusOf(verifier.recheck(subject as Verdict)) === 'invalid'
}
