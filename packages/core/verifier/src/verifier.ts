import { Engine } from './lib/engine.ts'
import type { DeepOutcome } from './deep-mode.ts'
import type { Reason, Verdict } from './verdict.ts'
import type { VerifierOptions } from './verifier-options.ts'
import type { VerifyInput } from './verify-input.ts'

/** What a verifier holds at this moment: for gauges. */
export interface VerifierStats {
  readonly cacheEntries: number
  readonly provisionalHeads: number
  /** How often a head that a token's proof leads to was held already, listed or provisional. */
  readonly headHits: number
  readonly attestations: number
  /** Those of them that hold, and are within their freshness limit. */
  readonly attestationsFresh: number
  readonly pending: number
  /** Checks of signatures that wait for their turn. */
  readonly signaturesWaiting: number
}

/** Decides who calls. See {@link createVerifier}. */
export interface Verifier {
  /**
   * The verdict on one request. It is there at once where everything is held; only a missing head, a
   * JWT, a reference, an attestation or a shared replay store makes it a promise. Never throws for what a request carries.
   */
  verify(input: VerifyInput): Verdict | Promise<Verdict>
  /**
   * Whether an authenticated verdict of this verifier would still stand: time, key, head and
   * revocations again, without using a one-time token. For streams that outlive their request. `ok`, or the reason to cut.
   */
  recheck(verdict: Verdict): Reason
  /**
   * Checks the attestations that an authenticated verdict of this verifier names, after the request was answered. From then on
   * the result counts for every request that names them.
   */
  checkDeferred(verdict: Verdict): Promise<DeepOutcome>
  /** Checks one attestation of this trust domain anew, whatever is held of it. */
  recheckAttestation(place: { readonly origin: string; readonly index: number }): Promise<DeepOutcome>
  /** Whether one-time tokens can be judged: false until a state younger than the replay memory has come. */
  ready(): boolean
  stats(): VerifierStats
  /** Stops following the trust state. What is under way ends as it would have. */
  close(): void
}

/**
 * Creates a verifier: the engine behind every enforcement point. Pure: clock, trust state, sources
 * and replay memory are passed in.
 *
 * @throws {TypeError} for a number that is not in its range.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  return new Engine(options)
}
