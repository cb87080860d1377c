import type { Clock, Random } from '@quantum-ip/base'
import type { Facts } from '@quantum-ip/policy'
import type { HeadStanding, Reason } from '@quantum-ip/verifier'
import { type FailOpen, reasonPlaces, reasons } from './closed-sets.ts'
import { formatDecisionId, parsePoint } from './decision-id.ts'
import {
  type DecisionInput,
  type DecisionOrigin,
  type DecisionRecord,
  type LogRecord,
  type SealedPart,
  decisionRecord,
} from './decision-record.ts'
import { failOpenBits, failOpensOf } from './fail-opens.ts'
import { drawMax, SampleDraws } from './lib/sample-draws.ts'
import { DecisionRing, type RecentDecision } from './decision-ring.ts'
import { ReliedDecisions } from './relied-decisions.ts'

const unloggedMax = 1_024

/** Where records are kept. */
export interface DecisionSink {
  /** Takes a record. Must not block: a store that does I/O queues. What it throws is counted as lost. */
  write(record: LogRecord): void
}

/** What a decision log tells about itself. */
export interface DecisionLogObserver {
  /** A record was over the cap of its reason. */
  suppressed(reason: Reason): void
  /** The sink did not take a record. */
  lost(): void
  /** A decision relied on a head that is in no log. */
  unlogged?(): void
  /** A request passed because configuration says so by name. */
  failedOpen(kind: FailOpen): void
}

/** How a decision log is set up. */
export interface DecisionLogOptions {
  /** Name of the enforcement point; part of each decision ID. */
  readonly point: string
  readonly clock: Clock
  readonly random: Random
  readonly sink: DecisionSink
  readonly observer?: DecisionLogObserver
  /** Decisions on heads that no state has listed yet, kept until one does. Default 10,000. */
  readonly reliedMax?: number
  /** Decisions that are kept in memory for explanations. Default 1,024. */
  readonly recentMax?: number
  /** Share of verified and allowed requests that are recorded, 0 to 1: fixed, or as it is at the moment. Default 0.01. */
  readonly sampleRatio?: number | (() => number)
  /** Records of one reason in one window. Default 100. */
  readonly perReasonMax?: number
  /** For reasons where it differs. */
  readonly perReason?: ReadonlyMap<string, number>
  /** Milliseconds of a window. Default 10,000. */
  readonly windowMs?: number
  /** Changes a record before anybody keeps it, or drops it with `null`: what names people can be left out here. */
  readonly redact?: (record: DecisionRecord) => DecisionRecord | null
  /** Changes the facts that are kept in memory for explanations. */
  readonly redactFacts?: (facts: Facts) => Facts
  /** Seals what may identify people, before it is left out of the open record. */
  readonly seal?: (record: DecisionRecord, input: DecisionInput) => SealedPart | undefined
}

/**
 * The decision log of one enforcement point.
 *
 * Records every decision that is not plain "verified, allowed", and a sample of those. Each reason has a
 * cap per window, past which decisions are counted and a {@link SuppressionRecord} says how many: a flood
 * of forged tokens fills neither the disk nor the memory. Never throws and never waits while a request is
 * recorded.
 */
export class DecisionLog {
  readonly #options: DecisionLogOptions
  readonly #ring: DecisionRing
  readonly #relied: ReliedDecisions
  /** The newest decisions that relied on a head which is in no log. */
  #unlogged: readonly DecisionRecord[] = []
  readonly #sampleRatio: () => number
  readonly #draws: SampleDraws
  readonly #most: Uint32Array
  readonly #windowMs: number
  /** By reason; then, by reason too, what exceptions decided: a flood of the same reason must not hide their use. */
  readonly #taken = new Uint32Array(reasons.length * 2)
  #windowFromMs: number

  /** @throws {TelemetryError} `QIP_TELEMETRY_POINT_MALFORMED`. */
  constructor(options: DecisionLogOptions) {
    parsePoint(options.point)
    this.#options = options
    this.#ring = new DecisionRing(options.recentMax ?? 1_024)
    this.#relied = new ReliedDecisions(options.reliedMax ?? 10_000)
    const { sampleRatio = 0.01, perReasonMax = 100, perReason } = options
    this.#sampleRatio = typeof sampleRatio === 'number' ? () => sampleRatio : sampleRatio
    this.#draws = new SampleDraws(options.random)
    const most = reasons.map((reason) => Math.min(0xffff_ffff, perReason?.get(reason) ?? perReasonMax))
    this.#most = Uint32Array.from([...most, ...most])
    this.#windowMs = options.windowMs ?? 10_000
    this.#windowFromMs = options.clock.now()
  }

  /**
   * Records a decision if it is to be recorded.
   *
   * Returns its ID, for the reply and the span; `null` for a verified and allowed request that is not in the
   * sample. A decision over the cap has an ID too, but no record.
   */
  record(input: DecisionInput): string | null {
    const { verdict, decision } = input
    if (failOpenBits(verdict, decision) !== 0) this.#countFailOpens(input)
    const isPlain =
      verdict.status === 'verified' &&
      decision.wouldBe === 'allow' &&
      decision.reason !== 'policy_error' &&
      // Whoever breaks the glass is seen, each time.
      decision.exception === null &&
      // Should its check fail, each request that passed meanwhile is to be named.
      !decision.deferred
    const { reliedOn } = verdict.notes
    const isRelied = reliedOn !== undefined && decision.action !== 'reject'
    const share = isPlain ? this.#share() : 1
    const isSampled = share === 1 || (share > 0 && this.#draws.next() < share * drawMax)
    if (!isSampled && !isRelied) return null
    const { point, clock, random } = this.#options
    const timeMs = clock.now()
    const id = formatDecisionId(point, timeMs, random)
    if (isRelied) this.#watch(reliedOn, input, { id, timeMs, point, share: 1 })
    if (!isSampled) return null
    if (this.#mayKeep(input, timeMs)) this.#keep(input, { id, timeMs, point, share })
    return id
  }

  /** The decision of this ID, if it was recorded and is among the newest. */
  find(id: string): RecentDecision | undefined {
    return this.#ring.find(id)
  }

  /** The newest recorded decisions, newest first. */
  newest(countMax: number): readonly RecentDecision[] {
    return this.#ring.newest(countMax)
  }

  /** The newest decisions that relied on a head which is in no log, newest first, at most 1,024. */
  unlogged(): readonly DecisionRecord[] {
    return this.#unlogged
  }

  /** Ends the window: writes down what was suppressed in it. For a timer, and before stopping. */
  flush(): void {
    const { clock, point, random } = this.#options
    const toMs = clock.now()
    const fromMs = this.#windowFromMs
    for (const [place, reason] of reasons.entries()) {
      const count = this.#over(place) + this.#over(place + reasons.length)
      if (count <= 0) continue
      const id = formatDecisionId(point, toMs, random)
      this.#write({ kind: 'suppressed', id, point, reason, cause: 'rate', count, fromMs, toMs })
    }
    this.#taken.fill(0)
    this.#windowFromMs = toMs
    this.#settle()
  }

  #watch(head: HeadStanding, input: DecisionInput, origin: DecisionOrigin): void {
    const record = this.#redacted(input, origin)
    if (record !== null) this.#relied.add(head, record)
  }

  /** Writes down what relied on a head that is in no log: under no cap, for it is the damage that was done. */
  #settle(): void {
    const unlogged = this.#relied.settle()
    if (unlogged.length === 0) return
    for (const record of unlogged) {
      this.#write(record)
      this.#options.observer?.unlogged?.()
    }
    this.#unlogged = [...unlogged.toReversed(), ...this.#unlogged].slice(0, unloggedMax)
  }

  #over(place: number): number {
    return Math.max(0, (this.#taken[place] as number) - (this.#most[place] as number))
  }

  #mayKeep({ verdict, decision }: DecisionInput, timeMs: number): boolean {
    // A clock that was set back ends the window too: it must not last until the old time comes again.
    const ageMs = timeMs - this.#windowFromMs
    if (ageMs >= this.#windowMs || ageMs < 0) this.flush()
    const { reason } = verdict
    const place = reasonPlaces[reason] + (decision.exception === null ? 0 : reasons.length)
    const taken = (this.#taken[place] as number) + 1
    this.#taken[place] = taken
    if (taken <= (this.#most[place] as number)) return true
    this.#options.observer?.suppressed(reason)
    return false
  }

  #keep(input: DecisionInput, origin: DecisionOrigin): void {
    const record = this.#redacted(input, origin)
    if (record === null) return
    const facts = this.#options.redactFacts?.(input.facts) ?? input.facts
    this.#ring.add({ record, facts })
    this.#write(record)
  }

  // A hook that fails must not let through what it was to leave out, nor stop a request.
  #redacted(input: DecisionInput, origin: DecisionOrigin): DecisionRecord | null {
    const { redact, seal } = this.#options
    const record = decisionRecord(input, origin)
    try {
      const sealed = seal?.(record, input)
      const whole = sealed === undefined ? record : { ...record, sealed }
      return redact === undefined ? whole : redact(whole)
    } catch {
      this.#options.observer?.lost()
      return null
    }
  }

  #write(record: LogRecord): void {
    try {
      this.#options.sink.write(record)
    } catch {
      this.#options.observer?.lost()
    }
  }

  #share(): number {
    return Math.round(this.#sampleRatio() * drawMax) / drawMax
  }

  #countFailOpens({ verdict, decision }: DecisionInput): void {
    const { observer } = this.#options
    if (observer === undefined) return
    for (const kind of failOpensOf(verdict, decision)) observer.failedOpen(kind)
  }
}
