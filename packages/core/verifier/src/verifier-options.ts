import type { Clock } from '@quantum-ip/base'
import type { AdmissionRule, SlsaLevel } from '@quantum-ip/attestation'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import type { TrustListener, TrustView } from '@quantum-ip/trust'
import type { DeepMode } from './deep-mode.ts'
import type { VerifierObserver } from './observer.ts'
import type { ReplayGuard } from './replay-guard.ts'
import type { AttestationSource, HeadSource, ReferenceSource } from './sources.ts'

/**
 * What a signed head counts for that no state has listed yet:
 *
 * - `audit`: it counts, provisionally; a state must list it in time, or its key is distrusted here
 * - `reject`: nothing
 * - `accept`: it counts, for verifiers that cannot follow the feed; it shows in each verdict
 */
export type UnanchoredHeads = 'audit' | 'reject' | 'accept'

/** How heads are come by. */
export interface HeadOptions {
  /** Asks the authority for a head that is neither held nor stapled. Without one, nobody is asked. */
  readonly source?: HeadSource | undefined
  /** Default `audit`. */
  readonly unanchored?: UnanchoredHeads | undefined
  /** Milliseconds within which a state must list a provisional head. Default 60,000. */
  readonly listedWithinMs?: number | undefined
  /** Milliseconds after which the observer is told of one that is still not listed, so that the authority can be asked. Default 5,000. */
  readonly reportedAfterMs?: number | undefined
  /** Fetches per second. Default 50. */
  readonly fetchesPerS?: number | undefined
  /** Tokens that the authority signs in one batch at most: how far past the known log a head may lie. Default 1,024. */
  readonly batchTokensMax?: number | undefined
}

/** Who must have seen a log, beside the log itself: a split view needs their help then. */
export interface WitnessPolicy {
  /** One for each witness. */
  readonly keys: readonly NoteVerifierKey[]
  /** How many of them must have cosigned the checkpoint that evidence rests on. */
  readonly quorum: number
}

/** How attestations are checked. */
export interface AttestationOptions {
  readonly source: AttestationSource
  /** Which requests get a deep check, where the input does not say. Default `never`. */
  readonly deep?: DeepMode | undefined
  /**
   * Asked with each request: the share of tokens, 0 to 1, that gets a deep check at least, where the mode is a share or deferred.
   * For raising it while something is going on. Default 0.
   */
  readonly leastShare?: (() => number) | undefined
  /** Milliseconds for which a deep check counts. Default one hour. */
  readonly freshMs?: number | undefined
  /** Attestations whose result is kept. Default 10,000. */
  readonly cacheMax?: number | undefined
  /** The SLSA build level that is granted to each builder, by its URI. Default 0. */
  readonly slsaLevels?: ReadonlyMap<string, SlsaLevel> | undefined
  /** Witnesses of the attestation log. Default: the log alone is relied on. */
  readonly witnesses?: WitnessPolicy | undefined
  /** Which builds may be which service; without rules that is the authority's matter alone. */
  readonly admissionRules?: readonly AdmissionRule[] | undefined
}

/** How reference tokens are resolved. */
export interface ReferenceOptions {
  readonly source: ReferenceSource
  /** Look-ups per second. Default 200. */
  readonly fetchesPerS?: number | undefined
}

/** How signatures are checked that callers bring: JWTs, standalone tokens, stapled heads. */
export interface SignatureOptions {
  /** Checks at once. Leave one thread of the pool to others. Default 2. */
  readonly atOnce?: number | undefined
  /** Checks that may wait; more are `overloaded`, those for services of low priority first. Default 256. */
  readonly waitingMax?: number | undefined
  /** Milliseconds that a check may wait; after that it is `overloaded`. Default 250. */
  readonly waitMsMax?: number | undefined
}

/** What a verifier is made of. All I/O, time and memory shared with others come in here. */
export interface VerifierOptions {
  /**
   * The trust domain whose tokens are verified. Where it can be subscribed to, the verifier hears of a new state at once;
   * else with the next request, which is soon enough for all but the floors of a replay guard.
   */
  readonly trust: TrustView & { subscribe?(listener: TrustListener): () => void }
  readonly clock: Clock
  /** A monotonic clock in milliseconds, for timings. Without one they are zero. */
  readonly stopwatch?: (() => number) | undefined
  readonly observer?: VerifierObserver | undefined
  /** Remembers one-time tokens. Without one, they are `replay_unavailable`. */
  readonly replay?: ReplayGuard | undefined
  readonly heads?: HeadOptions | undefined
  readonly attestations?: AttestationOptions | undefined
  readonly references?: ReferenceOptions | undefined
  readonly signatures?: SignatureOptions | undefined
  /** Age in milliseconds from which the trust state is stale. Default 300,000. */
  readonly staleAfterMs?: number | undefined
  /** `accept` goes on with a state that is too old, which shows in each verdict. Default `refuse`. */
  readonly staleTrust?: 'refuse' | 'accept' | undefined
  /** Seconds that clocks may differ. Default 30. */
  readonly clockToleranceS?: number | undefined
  /** Tokens whose authenticity is remembered. Default 100,000; 0 for none. */
  readonly cacheMax?: number | undefined
  /** Verifications that may wait for the network or a signature at once; more are `overloaded`. Default 1,024. */
  readonly pendingMax?: number | undefined
}
