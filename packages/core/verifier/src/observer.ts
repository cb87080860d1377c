import type { ServiceId, TrustDomain } from '@quantum-ip/base'
import type { LookupSource } from './sources.ts'
import type { Reason, VerificationPath } from './verdict.ts'

/** How a fetch of a head ended. `refused` was not sent: no valid tuple, or beyond the log; `shed`: over the budget. */
export type HeadFetchOutcome = 'found' | 'absent' | 'unavailable' | 'refused' | 'shed'

/** The outcomes, in a fixed order. */
export const headFetchOutcomes = [
  'found',
  'absent',
  'unavailable',
  'refused',
  'shed',
] as const satisfies readonly HeadFetchOutcome[]

/**
 * How a deep check ended. `skipped`: not sampled or switched off; `deferred`: put off until after the answer, when it ends in another
 * one of these; `dropped`: put off, and never done.
 */
export type DeepCheckOutcome =
  | 'passed'
  | 'failed'
  | 'unavailable'
  | 'stale'
  | 'skipped'
  | 'deferred'
  | 'dropped'

/** The outcomes, in a fixed order. */
export const deepCheckOutcomes = [
  'passed',
  'failed',
  'unavailable',
  'stale',
  'skipped',
  'deferred',
  'dropped',
] as const satisfies readonly DeepCheckOutcome[]

/** What the verifier spends signature time on. */
export type CryptoOperation = 'verify_head' | 'verify_jwt' | 'verify_attestation' | 'verify_proof'

/** The operations, in a fixed order. */
export const cryptoOperations = [
  'verify_head',
  'verify_jwt',
  'verify_attestation',
  'verify_proof',
] as const satisfies readonly CryptoOperation[]

/** A head as an event names it. */
export interface EventHead {
  readonly td: string
  readonly origin: string
  readonly keyId: number
  readonly start: number
  readonly end: number
  readonly hash: Uint8Array
  /** The signed head as it arrived (a `Quantum-IP-Head` value), where there is one: the evidence. */
  readonly signed: string | undefined
}

/**
 * What an operator must hear of at once. Rare; an event may carry values of any size.
 *
 * - `head_late`: a signed head on which `decisions` were taken should have been listed by now. It proves nothing here; the
 *   authority, which has the log, can tell at once
 * - `head_unlogged`: such a head was listed by no state in time; its key is distrusted here
 * - `log_equivocation`: two validly signed heads for one tuple; the key is compromised here
 */
export type VerifierEvent =
  | { readonly kind: 'head_late'; readonly head: EventHead; readonly decisions: number }
  | { readonly kind: 'head_unlogged'; readonly head: EventHead; readonly decisions: number }
  | { readonly kind: 'log_equivocation'; readonly heads: readonly [EventHead, EventHead] }

/** The kinds of events, in a fixed order. */
export const verifierEventKinds = [
  'head_late',
  'head_unlogged',
  'log_equivocation',
] as const satisfies readonly VerifierEvent['kind'][]

/**
 * What the verifier tells about itself: closed labels and numbers, one call each, nothing allocated
 * for it. Calls are synchronous; they must be cheap and must not throw.
 */
export interface VerifierObserver {
  /** One verification ended (metrics M1 to M4). `status` follows from `reason`. */
  verification(service: ServiceId, reason: Reason, path: VerificationPath, durationMs: number): void
  /** A head was asked for. */
  headFetch(outcome: HeadFetchOutcome): void
  /** Registry or ledger was asked for an attestation (M7). */
  ledgerLookup(source: LookupSource, durationMs: number): void
  /** Wall time of a signature verification (M8). */
  crypto(operation: CryptoOperation, scheme: string, durationMs: number): void
  /** A deep check ended or was skipped (M9). */
  deepCheck(outcome: DeepCheckOutcome): void
  /** Age of the attestation that a verified token relies on (M5). */
  attestationAge(ageMs: number): void
  event(event: VerifierEvent): void
  /**
   * A token names a key that the fresh trust state does not know.
   *
   * @param key the C2SP key ID, or the `kid` of a JWT: whatever the caller wrote
   */
  unknownKey(td: TrustDomain, key: number | string): void
}

/** An observer that ignores everything: spread it to write one of a few methods. */
export const silentObserver: VerifierObserver = {
  verification: () => {},
  headFetch: () => {},
  ledgerLookup: () => {},
  crypto: () => {},
  deepCheck: () => {},
  attestationAge: () => {},
  event: () => {},
  unknownKey: () => {},
}
