import type { ServiceId } from '@quantum-ip/base'

/** How a verification ended; each {@link Reason} belongs to exactly one. */
export type Status = 'verified' | 'missing' | 'invalid' | 'unverifiable'

/** The statuses, in the order of the table. */
export const statuses = [
  'verified',
  'missing',
  'invalid',
  'unverifiable',
] as const satisfies readonly Status[]

/** One row of {@link verdictTable}. */
export interface VerdictRow {
  readonly status: Status
  /** When this reason is given: one sentence, for the reference page. */
  readonly when: string
}

/**
 * The closed table of verdicts.
 *
 * The reference page is written from it; metric labels and tests are checked against it. The order
 * is part of it: a reason's place is its index in arrays of counters ({@link reasonIndex}).
 */
export const verdictTable = {
  ok: { status: 'verified', when: 'Everything that was asked for was checked.' },
  ok_shallow: {
    status: 'verified',
    when: 'The token is good; the deep check of its attestation is deferred, not sampled or switched off. The fact `deep` is false, and a policy must accept that by name.',
  },
  ok_retry: {
    status: 'verified',
    when: 'A one-time token again, with the same request ID and from the same named proxy, within the configured retry window.',
  },
  token_absent: { status: 'missing', when: 'The request has no `Quantum-IP` field.' },
  token_stripped: {
    status: 'missing',
    when: 'The request has no `Quantum-IP` field, but the `tracestate` hint says that a token for this audience was attached: something on the way took it off.',
  },
  token_truncated: {
    status: 'missing',
    when: 'The field ends in the middle of a token that is well-formed up to there: something on the way cut it.',
  },
  token_malformed: {
    status: 'invalid',
    when: 'Not a token, two tokens, a wrong version, a form that this listener does not accept, not canonical, or over a limit.',
  },
  key_unknown: {
    status: 'invalid',
    when: 'The trust domain has no such key for this use, and the trust state is fresh.',
  },
  signature_invalid: { status: 'invalid', when: 'The proof, the head or a signature does not hold.' },
  head_unknown: {
    status: 'invalid',
    when: 'The log of the fresh trust state is past the end of the head that the token names, and no such head was ever listed; or the authority itself says that there is none.',
  },
  token_expired: { status: 'invalid', when: 'The token has ended, beyond the clock tolerance.' },
  token_not_yet_valid: {
    status: 'invalid',
    when: 'The token was issued in the future, beyond the clock tolerance.',
  },
  audience_mismatch: { status: 'invalid', when: 'The token is not for this service.' },
  binding_mismatch: {
    status: 'invalid',
    when: 'The client key (`cnf`) or the request (`req`) that the token is bound to is another one, is not proved, was proved by something that was used before, or cannot be checked here.',
  },
  token_replayed: { status: 'invalid', when: 'A one-time token that was seen before.' },
  key_revoked: {
    status: 'invalid',
    when: 'The key that issued the token, or a hop of its chain, is revoked, compromised or no longer accepted.',
  },
  token_revoked: {
    status: 'invalid',
    when: 'The token, or a token of its chain, is revoked, by itself or in a range.',
  },
  identity_revoked: { status: 'invalid', when: 'The caller, or a service in its chain, is revoked.' },
  build_revoked: {
    status: 'invalid',
    when: 'The build, or what attests it, is revoked, for the caller or a hop of its chain.',
  },
  attestation_invalid: {
    status: 'invalid',
    when: 'The attestation that the token names does not verify, is of another build, or breaks the admission rule.',
  },
  trust_stale: { status: 'unverifiable', when: 'The signed trust state is older than allowed.' },
  head_unavailable: {
    status: 'unverifiable',
    when: 'The head is not held, and neither the feed nor the authority could be asked.',
  },
  attestation_unavailable: {
    status: 'unverifiable',
    when: 'The registry or the ledger cannot be asked, and nothing is cached.',
  },
  attestation_stale: {
    status: 'unverifiable',
    when: 'The registry or the ledger cannot be asked, and what is cached is past its freshness limit.',
  },
  replay_unavailable: {
    status: 'unverifiable',
    when: 'Replay cannot be ruled out: the shared store is away, the filter is full, or the token is older than this instance.',
  },
  overloaded: {
    status: 'unverifiable',
    when: 'Too many verifications wait for the network or a signature; this one was shed.',
  },
} as const satisfies Record<string, VerdictRow>

/** Why a verdict is what it is: a closed set. */
export type Reason = keyof typeof verdictTable

/** Every reason, in the order of the table. */
export const reasons: readonly Reason[] = Object.keys(verdictTable) as Reason[]

const places: ReadonlyMap<string, number> = new Map(reasons.map((reason, place) => [reason, place]))

/** The place of `reason` in {@link reasons}: an index for arrays of counters. */
export function reasonIndex(reason: Reason): number {
  return places.get(reason) as number
}

/** The status that `reason` belongs to. */
export function statusOf(reason: Reason): Status {
  return verdictTable[reason].status
}

/** How the binding of a build to the workload was established: the claim `bev` in words. */
export type BindingEvidence = 'declared' | 'platform' | 'measured' | 'hardware'

/** {@link BindingEvidence} by the number in the claim `bev`. */
export const bindingEvidences = [
  'declared',
  'platform',
  'measured',
  'hardware',
] as const satisfies readonly BindingEvidence[]

/**
 * The build that the token names. `digest` and `evidence` are the authority's word; the rest is
 * there only after a deep check of the attestation (`deep` of the verdict).
 */
export interface BuildFacts {
  /** SHA-256 of the artifact. */
  readonly digest: Uint8Array
  readonly evidence: BindingEvidence
  /** The builder's URI (`runDetails.builder.id` of SLSA provenance v1). */
  readonly builder?: string | undefined
  /** SLSA build level that the trust domain grants this builder. */
  readonly slsaLevel?: number | undefined
  /** URI of the source repository. */
  readonly source?: string | undefined
  /** Revision of the source. */
  readonly revision?: string | undefined
  /** When the build ended, by its provenance; milliseconds. */
  readonly builtMs?: number | undefined
  /** When the attestation entered its log; milliseconds. */
  readonly attestedMs?: number | undefined
}

/** The attestation that the token names: where it stands, and when it was last checked here. */
export interface AttestationFacts {
  /** Origin of the attestation log. */
  readonly log: string
  readonly index: number
  /** When the deep check that this verdict relies on was done; milliseconds. Absent without one. */
  readonly checkedMs?: number | undefined
}

/** One hop of the provenance chain, oldest first: who *was* in the call. */
export interface ChainHop {
  readonly sid: ServiceId
  readonly attestationLog: number
  readonly attestationIndex: number
  readonly log: number
  readonly index: number
}

/** What names a token without being able to stand in for it. */
export interface TokenReference {
  /** Origin of the token log, from the key record; empty as long as no key was found. */
  readonly log: string
  readonly index: number
  /** SHA-256 of the claims: the logged hash. */
  readonly digest: Uint8Array
}

/** How the token was carried. */
export type TokenForm = 'compact' | 'standalone' | 'reference' | 'jwt'

/** What the token is bound to besides its audience, and was checked. */
export type Binding = 'none' | 'certificate' | 'proof_key'

/** Which way a verification went: what its latency is filed under. */
export type VerificationPath = 'cold' | 'cached' | 'deep'

/** The paths, in a fixed order. */
export const verificationPaths = ['cold', 'cached', 'deep'] as const satisfies readonly VerificationPath[]

/** What a reader of the verdict must know besides its reason. Each is a fail-open asked for by name, or its trace. */
export interface VerdictNotes {
  /** The head is signed but not yet listed in a signed state. */
  readonly provisionalHead: boolean
  /** That head, whose standing moves on: what a decision log watches. */
  readonly reliedOn: HeadStanding | undefined
  /** Heads count here without being listed (`heads.unanchored: accept`), and this one was not. */
  readonly unanchoredHead: boolean
  /** The trust state was older than allowed, and configuration says to go on. */
  readonly staleTrustAccepted: boolean
  /** One-time tokens are unique per instance only (`replay.scope: instance`). */
  readonly replayPerInstance: boolean
  /** The token is for the whole trust domain. */
  readonly domainAudience: boolean
  /** A one-time token came again as the retry that configuration allows: `ok_retry`, whatever `reason` says. */
  readonly retried: boolean
  /**
   * Further `unverifiable` reasons that hold besides `reason`. An action other than reject needs
   * each of them named.
   */
  readonly alsoUnverifiable: readonly Reason[]
}

/**
 * Where a signed head that no state had listed stands:
 *
 * - `pending`: it counts, until a state should have listed it
 * - `overdue`: a state should have listed it, but none that young has come: it counts no longer
 * - `anchored`: a state has listed it
 * - `refused`: a state that should have listed it did not, or lists another
 */
export type HeadState = 'pending' | 'overdue' | 'anchored' | 'refused'

/** What became of a head that a verdict relied on before any state had listed it. It moves on after the verdict. */
export interface HeadStanding {
  readonly state: HeadState
}

/** How long a verification took. Zero where no stopwatch was passed in. */
export interface Timings {
  readonly path: VerificationPath
  /** From the call to the verdict; milliseconds with fractions. */
  readonly totalMs: number
}

/**
 * What is known about the caller of one request, and why.
 *
 * `authenticated` means that key, head and proof held. While it is false, `identity`, `build`,
 * `attestation` and `chain` are absent; what the token claims is in `claimedSubject` for the record,
 * and chooses nothing.
 */
export interface Verdict {
  readonly status: Status
  readonly reason: Reason
  readonly authenticated: boolean
  /** Who calls. Only when authenticated. */
  readonly identity: ServiceId | undefined
  /** Who the token says is calling, when not authenticated. For the record only. */
  readonly claimedSubject: ServiceId | undefined
  readonly build: BuildFacts | undefined
  readonly attestation: AttestationFacts | undefined
  readonly chain: readonly ChainHop[] | undefined
  readonly binding: Binding
  /** Whether the claim `req` bound the token to this very request, and held. */
  readonly requestBound: boolean
  /** Whether the token is good for one use only. */
  readonly oneTime: boolean
  /** Whether the attestation itself was checked. */
  readonly deep: boolean
  /** Revocation epoch of the trust state that decided. */
  readonly epoch: number
  readonly form: TokenForm | undefined
  readonly token: TokenReference | undefined
  /** Seconds; the claims `iat` and `exp`, where the token could be read. */
  readonly issuedS: number | undefined
  readonly expiresS: number | undefined
  readonly notes: VerdictNotes
  readonly timings: Timings
}
