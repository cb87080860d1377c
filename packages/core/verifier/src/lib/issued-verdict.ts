import type { ServiceId } from '@quantum-ip/base'
import {
  type AttestationFacts,
  type Binding,
  type BuildFacts,
  type ChainHop,
  type Reason,
  type Status,
  statusOf,
  type Timings,
  type TokenForm,
  type TokenReference,
  type Verdict,
  type VerdictNotes,
} from '../verdict.ts'
import type { Check } from './check.ts'
import type { DeepResult } from './deep-result.ts'
import { type TokenFacts, TokenName } from './token-facts.ts'

const noReasons: readonly Reason[] = Object.freeze([])

const noNotes: VerdictNotes = Object.freeze({
  provisionalHead: false,
  reliedOn: undefined,
  unanchoredHead: false,
  staleTrustAccepted: false,
  replayPerInstance: false,
  domainAudience: false,
  retried: false,
  alsoUnverifiable: noReasons,
})

/** What a verdict is written from, besides the check itself. */
export interface VerdictContext {
  readonly epoch: number
  readonly totalMs: number
  readonly acceptsUnanchored: boolean
  readonly replayPerInstance: boolean
}

/** A verdict as the engine gives it out: of one shape always, and it knows what it was about. */
export class IssuedVerdict implements Verdict {
  readonly status: Status
  readonly reason: Reason
  readonly authenticated: boolean
  readonly identity: ServiceId | undefined
  readonly claimedSubject: ServiceId | undefined
  readonly build: BuildFacts | undefined
  readonly attestation: AttestationFacts | undefined
  readonly chain: readonly ChainHop[] | undefined
  readonly binding: Binding
  readonly requestBound: boolean
  readonly oneTime: boolean
  readonly deep: boolean
  readonly epoch: number
  readonly form: TokenForm | undefined
  readonly token: TokenReference | undefined
  readonly issuedS: number | undefined
  readonly expiresS: number | undefined
  readonly notes: VerdictNotes
  readonly timings: Timings
  readonly #facts: TokenFacts | undefined
  readonly #deep: DeepResult | undefined

  constructor(check: Check, reason: Reason, context: VerdictContext) {
    const { facts, authenticated, deep } = check
    const known = authenticated ? facts : undefined
    this.status = statusOf(reason)
    this.reason = reason
    this.authenticated = authenticated
    this.identity = known?.sub
    this.claimedSubject = authenticated ? undefined : facts?.sub
    this.build = deep === undefined ? known?.build : deepBuild(known, deep)
    this.attestation = deep === undefined ? known?.attestation : deepAttestation(deep)
    this.chain = known === undefined || known.hops.length === 0 ? undefined : known.hops
    this.binding = check.binding
    this.requestBound = check.requestBound
    this.oneTime = facts?.oneTime ?? false
    this.deep = deep !== undefined
    this.epoch = context.epoch
    this.form = facts?.form
    this.token = facts && new TokenName(facts)
    this.issuedS = facts?.iat
    this.expiresS = facts?.exp
    this.notes = notesOf(check, reason, context)
    this.timings = { path: check.path, totalMs: context.totalMs }
    this.#facts = known
    this.#deep = deep
  }

  /** What an authenticated verdict of this engine is about. */
  static factsOf(verdict: Verdict): { facts: TokenFacts; deep: DeepResult | undefined } | undefined {
    if (!(verdict instanceof IssuedVerdict) || verdict.#facts === undefined) return undefined
    return { facts: verdict.#facts, deep: verdict.#deep }
  }
}

function deepBuild(
  facts: TokenFacts | undefined,
  { facts: build, attestedMs }: DeepResult,
): BuildFacts | undefined {
  if (facts?.build === undefined) return undefined
  return {
    digest: facts.build.digest,
    evidence: facts.build.evidence,
    builder: build.builder,
    slsaLevel: build.slsaLevel,
    source: build.source?.uri,
    revision: build.source?.digest.get('gitCommit') ?? build.source?.ref,
    builtMs: build.finishedOnMs,
    attestedMs,
  }
}

function deepAttestation({ log, index, checkedMs }: DeepResult): AttestationFacts {
  return { log, index, checkedMs }
}

function notesOf(check: Check, reason: Reason, context: VerdictContext): VerdictNotes {
  const { facts, authenticated } = check
  const isUnlisted = authenticated && facts?.provisional !== undefined
  const isUsedUp = facts?.oneTime === true || check.proof !== undefined
  const isPerInstance = check.isFreshHere || (context.replayPerInstance && isUsedUp)
  const others = check.unverifiable?.filter((other) => other !== reason) ?? noReasons
  const isPlain =
    !isUnlisted &&
    !isPerInstance &&
    !check.acceptsStale &&
    !check.domainAudience &&
    !check.isRetry &&
    others.length === 0
  if (isPlain) return noNotes
  return {
    provisionalHead: isUnlisted && !context.acceptsUnanchored,
    reliedOn: isUnlisted && !context.acceptsUnanchored ? facts.provisional : undefined,
    unanchoredHead: isUnlisted && context.acceptsUnanchored,
    staleTrustAccepted: check.acceptsStale,
    replayPerInstance: isPerInstance,
    domainAudience: check.domainAudience,
    retried: check.isRetry,
    alsoUnverifiable: others,
  }
}
