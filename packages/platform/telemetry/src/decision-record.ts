import { hex } from '@quantum-ip/base'
import type { Action, Decision, DecisionReason, Facts, PolicyMode } from '@quantum-ip/policy'
import type { BindingEvidence, Reason, Status, Verdict, VerificationPath } from '@quantum-ip/verifier'
import type { FailOpen } from './closed-sets.ts'
import { failOpensOf } from './fail-opens.ts'
import { type RecordedFacts, recordedFacts } from './recorded-facts.ts'

/**
 * One decision as it is kept: what forensics, policy replay and `qip explain` read.
 *
 * INVARIANT: no token, key, `jti` or header of the request, and in the open no host, path or name out of a client's certificate or
 * JWT. A token is named by log, index and digest, which cannot stand in for it.
 */
export interface DecisionRecord {
  readonly kind: 'decision'
  readonly id: string
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly point: string
  readonly region: string | null
  /** Service ID of the service that was called. */
  readonly service: string
  /** 32 hexadecimal characters, or `null` without a trace. */
  readonly traceId: string | null
  readonly status: Status
  readonly reason: Reason
  readonly authenticated: boolean
  readonly deep: boolean
  /** Service ID of the caller, proven. */
  readonly subject: string | null
  /** What a token that did not hold says of its subject. Chooses nothing. */
  readonly claimedSubject: string | null
  readonly build: { readonly digest: string; readonly evidence: BindingEvidence } | null
  readonly attestation: { readonly log: string; readonly index: number } | null
  readonly token: { readonly log: string; readonly index: number; readonly digest: string } | null
  /**
   * What the verdict relied on beyond the listed heads: a head that no state had listed yet (`provisional`), or that turned out
   * to be in no log (`unlogged`): such a decision is to be looked into.
   */
  readonly head: 'provisional' | 'unlogged' | null
  readonly epoch: number
  readonly policy: { readonly name: string; readonly version: number }
  readonly rule: string | null
  /** The exception that let it through or to quarantine before any rule, and who answers for it. */
  readonly exception: { readonly name: string; readonly owner: string } | null
  readonly decidedBy: DecisionReason
  readonly action: Action
  readonly wouldBe: Action
  readonly mode: PolicyMode
  readonly enforced: boolean
  readonly deferred: boolean
  /** Why something passed that closed operation would stop. */
  readonly failOpen: readonly FailOpen[]
  /** The facts that the policy could read, without those that other fields say or that are at their default. */
  readonly facts: RecordedFacts
  /** Of such requests, the share that is recorded: 1 where all are. A record stands for `1 / share` requests. */
  readonly share: number
  /** What may identify people, sealed to a custodian's key, where configuration says so. */
  readonly sealed?: SealedPart
  readonly path: VerificationPath
  readonly durationMs: number
}

/**
 * Why records are not there.
 *
 * - `rate`: more than the cap of the reason in one window
 * - `space`, `age`: removed from the local log, to keep its limits
 * - `lost`: the disk or the queue before it was full
 */
export type SuppressionCause = 'rate' | 'space' | 'age' | 'lost'

/** How many records of a reason are not in the log. */
export interface SuppressionRecord {
  readonly kind: 'suppressed'
  /** Formed like the ID of a decision, so that one that is sent twice counts once. */
  readonly id: string
  readonly point: string
  readonly reason: Reason
  readonly cause: SuppressionCause
  readonly count: number
  /** Of these, how many the authority had before they went. */
  readonly sent?: number
  /** The window; milliseconds since 1970. */
  readonly fromMs: number
  readonly toMs: number
}

/** A part of a record that only a custodian can open. */
export interface SealedPart {
  /** ID of the {@link SealKeyRecord} with its key. */
  readonly key: string
  /** base64url: nonce (12 bytes) ‖ ciphertext ‖ tag (16), AES-256-GCM; the record's ID is the additional data. */
  readonly box: string
}

/** A key under which parts of records are sealed, itself sealed to the custodian. */
export interface SealKeyRecord {
  readonly kind: 'seal_key'
  readonly id: string
  readonly timeMs: number
  readonly point: string
  /** The custodian's key. */
  readonly kid: string
  /** base64url, as a sealed field of `@quantum-ip/crypto`; the ID is the additional data. */
  readonly sealed: string
}

/** What stands in a decision log. */
export type LogRecord = DecisionRecord | SuppressionRecord | SealKeyRecord

/** What a record is made of. */
export interface DecisionInput {
  readonly verdict: Verdict
  readonly decision: Decision
  readonly facts: Facts
  readonly traceId?: string | undefined
}

/** Where a record comes from. */
export interface DecisionOrigin {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly point: string
  /** The share of such requests that is recorded. */
  readonly share: number
}

/** The record of a decision. */
export function decisionRecord(
  { verdict, decision, facts, traceId }: DecisionInput,
  { id, timeMs, point, share }: DecisionOrigin,
): DecisionRecord {
  const { build, attestation, token, timings } = verdict
  return {
    kind: 'decision',
    id,
    timeMs,
    point,
    region: facts['env.region'],
    service: facts['env.service'],
    traceId: traceId ?? null,
    status: verdict.status,
    reason: verdict.reason,
    authenticated: verdict.authenticated,
    deep: verdict.deep,
    subject: verdict.identity ?? null,
    claimedSubject: verdict.claimedSubject ?? null,
    build: build === undefined ? null : { digest: hex(build.digest), evidence: build.evidence },
    attestation: attestation === undefined ? null : { log: attestation.log, index: attestation.index },
    token: token === undefined ? null : { log: token.log, index: token.index, digest: hex(token.digest) },
    head: verdict.notes.provisionalHead ? 'provisional' : null,
    epoch: verdict.epoch,
    policy: { name: decision.policy.name, version: decision.policy.version },
    rule: decision.rule,
    exception: decision.exception,
    decidedBy: decision.reason,
    action: decision.action,
    wouldBe: decision.wouldBe,
    mode: decision.mode,
    enforced: decision.enforced,
    deferred: decision.deferred,
    failOpen: failOpensOf(verdict, decision),
    facts: recordedFacts(facts),
    share,
    path: timings.path,
    durationMs: timings.totalMs,
  }
}

/** A record as one line of JSON, without the line's end. */
export function formatRecord(record: LogRecord): string {
  return JSON.stringify(record)
}
