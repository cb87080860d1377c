import type { Clock } from '@quantum-ip/base'
import type { Decision, Facts, PolicyEngine, PolicyObserver } from '@quantum-ip/policy'
import type { DecisionInput, SpanExporter, TraceSampler } from '@quantum-ip/telemetry'
import type { Verifier } from '@quantum-ip/verifier'
import type { DeferredRequest } from './deferred-checks.ts'

/** Keeps decisions: `DecisionLog` of telemetry is one. */
export interface DecisionRecorder {
  /** Returns the decision ID, or `null` for a decision that is not recorded. Must not throw. */
  record(input: DecisionInput): string | null
}

/** What active policy and candidate both decided about. */
export interface WatchedRequest {
  readonly facts: Facts
  /** `null` where the decision is not recorded. */
  readonly decisionId: string | null
}

/** What an {@link EnforcementPoint} is made of. All parts are passed in; it opens none of its own. */
export interface PointOptions {
  readonly verifier: Pick<Verifier, 'verify'>
  /**
   * Authorities that proofs of possession may be for, lower case and without default port, with their scheme where whoever is in front
   * ends TLS: the names by which callers know what is behind this point. Default: the one in the request, which is the caller's own word.
   */
  readonly proofAuthorities?: readonly string[] | undefined
  /** Engines beside CEL that policies may ask, by name. The caller closes them. */
  readonly engines?: ReadonlyMap<string, PolicyEngine>
  readonly policyObserver?: PolicyObserver
  /** Hears of each decision: the active policy's, and the candidate's beside it where there is one. Must be cheap, and not throw. */
  readonly watch?: (active: Decision, candidate: Decision | undefined, request: WatchedRequest) => void
  readonly decisions?: DecisionRecorder
  /** Gets the span of each verification whose trace is sampled. */
  readonly spans?: SpanExporter
  /** With `spans`: which traces are sampled that begin here. Absent: none; those that callers sample are. */
  readonly sampler?: TraceSampler
  /** Checks the attestation after the reply, where a request was let through before that: `openDeferredChecks` does. */
  readonly deferred?: (request: DeferredRequest) => void
  readonly clock?: Clock
}
