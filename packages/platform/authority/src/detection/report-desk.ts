import { base64url, type Clock, type JsonObject } from '@quantum-ip/base'
import type { StapledHead } from '@quantum-ip/token'
import { type HeadFinding, type HeadGrounds, judgeHead, readSignedHead } from './judge-head.ts'
import { MemberLimits } from './member-limits.ts'
import type { SecurityEvent, SecurityEvents, Sighting } from './security-events.ts'

/** A member that reports something. */
export interface Reporter {
  /** Its service ID. */
  readonly sid: string
  /** The enforcement point. */
  readonly point: string
}

/** A key that nobody knows, and how often tokens named it. */
export interface UnknownKey {
  readonly td: string
  readonly key: string
  readonly count: number
}

/** An attestation that did not hold where a member checked it, after requests had passed. */
export interface AttestationFinding {
  readonly log: string
  readonly index: number
  /** Decision IDs of those requests, and how many more there were. */
  readonly decisions: readonly string[]
  readonly more: number
}

/** What members report. */
export type Report =
  | ({ readonly kind: 'attestation_invalid' } & AttestationFinding)
  | { readonly kind: 'head_unlogged'; readonly head: string; readonly decisions: number }
  | { readonly kind: 'log_equivocation'; readonly heads: readonly string[] }
  | { readonly kind: 'key_unknown'; readonly keys: readonly UnknownKey[] }

/**
 * What became of a report: `proven` (an event with proof), `known` (it is in our log), `noted` (an event without proof), `junk`
 * (nothing is signed by us), `ignored` (too few to matter), `shed` (nobody looked: this member reports too much, or it cannot be looked at
 * now; it is told again).
 */
export type ReportOutcome = 'proven' | 'known' | 'noted' | 'junk' | 'ignored' | 'shed'

/** Where an attestation stands. */
export interface AttestationPlace {
  readonly log: string
  readonly index: number
}

/** What became of an attestation: `absent` was never logged, `unavailable` says nothing. */
export type AttestationState =
  | { readonly state: 'holds' | 'absent' | 'unavailable' }
  | { readonly state: 'fails'; readonly build: string }

/** Looks at an attestation of ours anew, by what verifiers trust: whether it holds, and which build it is of. */
export type AttestationCheck = (place: AttestationPlace) => Promise<AttestationState>

/** What reports are judged with. */
export interface ReportDeskOptions extends HeadGrounds {
  readonly events: SecurityEvents
  readonly clock: Clock
  /** What is done on proof: revoke the key, or leave it to an operator. */
  readonly onProof: 'revoke' | 'event'
  /** Revokes a key, or a build. @returns whether it was not revoked before */
  readonly revoke: (event: SecurityEvent) => Promise<boolean>
}

/** Reports of one member per minute. */
const perMemberMax = 30
/** A key that fewer tokens named in one report is a mistyped configuration, not worth an event. */
const unknownMin = 10
/** Events about unknown keys in one hour. Whoever sends tokens chooses the key IDs. */
const unknownPerHourMax = 16

/**
 * Takes reports of members. They point to something; the authority looks for itself (invariant 11): only a signature that holds
 * over what is not in the log is proof, whoever brings it. No claim of a member revokes anything.
 */
export class ReportDesk {
  readonly #options: ReportDeskOptions
  readonly #limits: MemberLimits
  #recheck: AttestationCheck = () => Promise.resolve({ state: 'unavailable' })
  #unknownHour = 0
  #unknownEvents = 0

  constructor(options: ReportDeskOptions) {
    this.#options = options
    this.#limits = new MemberLimits(options.clock, perMemberMax)
  }

  /** How attestations are looked at anew. Until it is known, none can be. */
  recheckBy(recheck: AttestationCheck): void {
    this.#recheck = recheck
  }

  /** Judges reports one after the other. @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` */
  async take(reporter: Reporter, reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    const outcomes: ReportOutcome[] = []
    for (const report of reports) {
      outcomes.push(this.#limits.take(reporter.sid) ? await this.#judge(reporter, report) : 'shed')
    }
    return outcomes
  }

  /** Does what a critical event demands and was not done yet: after a failure, or a restart. */
  async settle(): Promise<void> {
    for (const event of await this.#options.events.due()) await this.#act(event)
  }

  #judge(reporter: Reporter, report: Report): Promise<ReportOutcome> {
    if (report.kind === 'key_unknown') return this.#noteUnknown(reporter, report.keys)
    if (report.kind === 'attestation_invalid') return this.#judgeAttestation(reporter, report)
    const staples = report.kind === 'head_unlogged' ? [report.head] : report.heads
    return this.#judgeHeads(reporter, staples, report.kind === 'head_unlogged' ? report.decisions : 0)
  }

  /**
   * The member's word counts for nothing: the attestation is checked again here, from our own registry. That it cannot be looked
   * at now is no proof, and the member tells it again; what it tells beside it is judged all the same.
   */
  async #judgeAttestation({ sid, point }: Reporter, found: AttestationFinding): Promise<ReportOutcome> {
    const { log, index, decisions, more } = found
    const now = await this.#recheck({ log, index })
    if (now.state === 'unavailable') return 'shed'
    if (now.state !== 'fails') return now.state === 'holds' ? 'known' : 'junk'
    const { event } = await this.#options.events.raise({
      kind: 'attestation_invalid',
      severity: 'critical',
      subject: now.build,
      log,
      dedupe: `attestation_invalid ${log} ${index}`,
      proof: {
        log,
        index,
        build: now.build,
        passed: decisions.length + more,
        decisions: [...decisions],
        point,
      },
      reportedBy: sid,
      action: this.#options.onProof === 'revoke' ? 'due' : 'none',
    })
    if (event.action === 'due') await this.#act(event)
    return 'proven'
  }

  async #judgeHeads(
    reporter: Reporter,
    staples: readonly string[],
    decisions: number,
  ): Promise<ReportOutcome> {
    const pair = staples.length === 2 ? await this.#judgePair(reporter, staples) : undefined
    if (pair !== undefined) return pair
    let outcome: ReportOutcome = 'junk'
    for (const staple of staples) {
      const finding = await judgeHead(staple, this.#options)
      if (finding.finding === 'forged') return this.#raiseForged(reporter, { staple, finding, decisions })
      if (finding.finding === 'open')
        outcome = await this.#raiseOpen(reporter, { staple, finding, decisions })
      else if (finding.finding === 'ours') outcome = 'known'
    }
    return outcome
  }

  /** Two signed heads for one place are proof by themselves, whatever our log says. */
  async #judgePair(reporter: Reporter, staples: readonly string[]): Promise<ReportOutcome | undefined> {
    const [one, other] = await Promise.all(staples.map((staple) => readSignedHead(staple, this.#options)))
    if (one === undefined || other === undefined || 'finding' in one || 'finding' in other) return undefined
    const isOnePlace =
      one.head.origin === other.head.origin &&
      one.head.start === other.head.start &&
      one.head.end === other.head.end
    if (!isOnePlace || base64url(one.head.hash) === base64url(other.head.hash)) return undefined
    const { kid } = one.held.record.key
    const proof = { ...tupleJson(one.head), heads: [...staples] }
    return this.#raiseProven(reporter, { kind: 'log_equivocation', kid, log: one.head.origin, proof })
  }

  #raiseForged(
    reporter: Reporter,
    {
      staple,
      finding,
      decisions,
    }: {
      readonly staple: string
      readonly finding: HeadFinding & { finding: 'forged' }
      readonly decisions: number
    },
  ): Promise<ReportOutcome> {
    const { kid, head, own } = finding
    const place = tupleJson(head)
    if (own !== undefined) {
      const proof = { ...place, heads: [own, staple] }
      return this.#raiseProven(reporter, { kind: 'log_equivocation', kid, log: head.origin, proof })
    }
    const proof = { ...place, head: staple, hash: base64url(head.hash), decisions }
    return this.#raiseProven(reporter, { kind: 'head_unlogged', kid, log: head.origin, proof })
  }

  async #raiseProven(
    reporter: Reporter,
    {
      kind,
      kid,
      log,
      proof,
    }: {
      readonly kind: 'head_unlogged' | 'log_equivocation'
      readonly kid: string
      readonly log: string
      readonly proof: JsonObject
    },
  ): Promise<ReportOutcome> {
    const action = this.#options.onProof === 'revoke' ? 'due' : 'none'
    const sighting: Sighting = {
      kind,
      severity: 'critical',
      subject: kid,
      log,
      dedupe: `${kind} ${kid}`,
      proof: { ...proof, point: reporter.point },
      reportedBy: reporter.sid,
      action,
    }
    const { event } = await this.#options.events.raise(sighting)
    if (event.action === 'due') await this.#act(event)
    return 'proven'
  }

  async #raiseOpen(
    reporter: Reporter,
    {
      staple,
      finding,
      decisions,
    }: {
      readonly staple: string
      readonly finding: HeadFinding & { finding: 'open' }
      readonly decisions: number
    },
  ): Promise<ReportOutcome> {
    const { kid, head, reason } = finding
    await this.#options.events.raise({
      kind: 'head_unlogged',
      severity: 'warning',
      subject: kid,
      log: head.origin,
      dedupe: `head_unlogged ${kid} open`,
      proof: { ...tupleJson(head), head: staple, decisions, open: reason, point: reporter.point },
      reportedBy: reporter.sid,
      action: 'none',
    })
    return 'noted'
  }

  async #act(event: SecurityEvent): Promise<void> {
    const { events, revoke } = this.#options
    try {
      const isNew = await revoke(event)
      const what = `the ${event.kind === 'attestation_invalid' ? 'build' : 'key'} ${event.subject}`
      const note = isNew ? `revoked ${what}` : `${what} is revoked already`
      await events.acted(event.number, { actor: 'authority', act: 'revoked', note }, 'done')
    } catch (error) {
      // It stays due, and is tried again with the next maintenance.
      const note = error instanceof Error ? error.message : 'unknown'
      await events.acted(event.number, { actor: 'authority', act: 'failed', note }, 'due')
    }
  }

  async #noteUnknown({ sid, point }: Reporter, keys: readonly UnknownKey[]): Promise<ReportOutcome> {
    const hour = Math.floor(this.#options.clock.now() / 3_600_000)
    if (hour !== this.#unknownHour) {
      this.#unknownHour = hour
      this.#unknownEvents = 0
    }
    let outcome: ReportOutcome = 'ignored'
    for (const { td, key, count } of keys) {
      if (count < unknownMin || this.#unknownEvents >= unknownPerHourMax) continue
      const { isNew } = await this.#options.events.raise({
        kind: 'key_unknown',
        severity: 'warning',
        subject: key,
        log: null,
        dedupe: `key_unknown ${td} ${key} ${hour}`,
        proof: { td, key, count, point, once: this.#onceKnown(key) },
        reportedBy: sid,
        action: 'none',
      })
      if (isNew) this.#unknownEvents++
      outcome = 'noted'
    }
    return outcome
  }

  /** Whether it is an old key of ours: then somebody sends old tokens, and nobody made keys of his own. */
  #onceKnown(key: string): boolean {
    return this.#options.keys
      .list()
      .some(
        ({ record: { key: known, keyId } }) =>
          known.kid === key || keyId?.toString(16).padStart(8, '0') === key,
      )
  }
}

function tupleJson({ origin, start, end }: StapledHead): JsonObject {
  return { log: origin, start, end }
}
