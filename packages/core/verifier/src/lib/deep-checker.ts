import { type Clock, equalBytes } from '@quantum-ip/base'
import { type AdmissionRule, decideAdmission } from '@quantum-ip/attestation'
import type { TrustView } from '@quantum-ip/trust'
import type { DeepMode, DeepOutcome } from '../deep-mode.ts'
import type { VerifierObserver } from '../observer.ts'
import type { VerifierStats } from '../verifier.ts'
import type { Reason } from '../verdict.ts'
import type { AttestationOptions } from '../verifier-options.ts'
import { decideAnswer } from './attestation-answer.ts'
import { Check } from './check.ts'
import { type DeepResult, isStillTrusted } from './deep-result.ts'
import type { SignatureQueue } from './signature-queue.ts'
import { SingleFlight } from './single-flight.ts'
import type { TokenFacts } from './token-facts.ts'

// How long a failure is remembered, so that a registry that is away is not asked by each request.
const failureMs = 1_000

interface Entry extends Named {
  readonly outcome: DeepOutcome
  /** From the last check that passed, whatever came of later ones. */
  readonly result: DeepResult | undefined
  readonly untilMs: number
}

interface Named {
  readonly origin: string
  readonly index: number
}

interface Asked extends Named {
  readonly build: Uint8Array | undefined
}

/** What a {@link DeepChecker} is made of. */
export interface DeepCheckerParts {
  readonly trust: TrustView
  readonly clock: Clock
  readonly observer: VerifierObserver
  readonly stopwatch: () => number
  readonly queue: SignatureQueue
  readonly options: AttestationOptions
}

/**
 * Whether a deep check of the token with this digest is due before the answer: the same each time for one token. `leastShare` is
 * the share of tokens that is checked at least, while something is going on.
 */
export function isDeep(mode: DeepMode, digestText: string, leastShare = 0): boolean {
  if (mode === 'always' || mode === 'never') return mode === 'always'
  const share = Math.max(leastShare, mode === 'deferred' ? 0 : mode.sample)
  const draw = (digestText.charCodeAt(0) * 256 + digestText.charCodeAt(1)) * 256 + digestText.charCodeAt(2)
  return draw < share * 2 ** 24
}

/**
 * Checks exactly the attestations that a token and its chain name, and remembers what they say as long
 * as that is fresh.
 */
export class DeepChecker {
  readonly #parts: DeepCheckerParts
  readonly #freshMs: number
  readonly #cacheMax: number
  readonly #rules: readonly AdmissionRule[] | undefined
  // By origin, then by index: no name is put together to look one up.
  readonly #entries = new Map<string, Map<number, Entry>>()
  // The oldest one first.
  readonly #order = new Set<Entry>()
  readonly #flights = new SingleFlight<void>()

  constructor(parts: DeepCheckerParts) {
    const { deep } = parts.options
    if (typeof deep === 'object' && !(deep.sample >= 0 && deep.sample <= 1)) {
      throw new TypeError('a share of deep checks is a number from 0 to 1')
    }
    this.#parts = parts
    this.#freshMs = parts.options.freshMs ?? 3_600_000
    this.#cacheMax = parts.options.cacheMax ?? 10_000
    this.#rules = parts.options.admissionRules
  }

  /** How many results are held, and how many of them are of attestations that hold and are fresh. */
  stats(nowMs: number): Pick<VerifierStats, 'attestations' | 'attestationsFresh'> {
    let fresh = 0
    for (const { outcome, untilMs } of this.#order) if (outcome === 'passed' && nowMs < untilMs) fresh += 1
    return { attestations: this.#order.size, attestationsFresh: fresh }
  }

  /** Whether all that the token names was checked and is fresh. */
  isHeld({ attestation, hops }: TokenFacts, nowMs: number): boolean {
    if (attestation !== undefined && !this.#isFresh(attestation.log, attestation.index, nowMs)) return false
    for (const { attestationOrigin, attestationIndex } of hops) {
      if (attestationOrigin !== '' && !this.#isFresh(attestationOrigin, attestationIndex, nowMs)) return false
    }
    return true
  }

  /** Whether enough is known of all that the token names to go by it: it holds and is fresh, or something did not hold the last time. */
  isKnown(facts: TokenFacts, nowMs: number): boolean {
    const entries = namedBy(facts).map(({ origin, index }) => this.#entry(origin, index))
    if (entries.some((entry) => entry?.outcome === 'failed')) return true
    return entries.every((entry) => entry?.outcome === 'passed' && nowMs < entry.untilMs)
  }

  /** Checks what a token names, apart from any request: asks for what is not held and fresh. */
  async checkApart(facts: TokenFacts): Promise<DeepOutcome> {
    const { clock } = this.#parts
    if (!this.isHeld(facts, clock.now())) await this.ask(facts)
    const check = new Check({ tokenCount: 1, audience: '' }, clock.now(), 0)
    if (this.judgeHeld(check, facts) !== undefined) return 'failed'
    return check.unverifiable === undefined ? 'passed' : 'unavailable'
  }

  /** Checks one attestation anew, whatever is held of it. */
  async recheck(td: string, named: Named): Promise<DeepOutcome> {
    const { origin, index } = named
    await this.#check(td, { origin, index, build: undefined })
    return this.#entry(origin, index)?.outcome ?? 'unavailable'
  }

  /** Asks for what is missing or no longer fresh. */
  async ask(facts: TokenFacts): Promise<void> {
    const nowMs = this.#parts.clock.now()
    const missing = namedBy(facts).filter(({ origin, index }) => !this.#isFresh(origin, index, nowMs))
    await Promise.all(
      missing.map((named) =>
        this.#flights.run(`${named.origin} ${named.index}`, () => this.#check(facts.td, named)),
      ),
    )
  }

  /** The step's answer from what is held: the token's own attestation first, then the hops'. */
  judgeHeld(check: Check, facts: TokenFacts): Reason | undefined {
    const { observer } = this.#parts
    const { attestation, hops } = facts
    let reason = attestation && this.#judgeOne(check, facts, this.#entry(attestation.log, attestation.index))
    for (const { attestationOrigin, attestationIndex } of hops) {
      if (reason !== undefined) break
      if (attestationOrigin === '') continue
      reason = this.#judgeOne(check, facts, this.#entry(attestationOrigin, attestationIndex))
    }
    if (reason === 'attestation_unavailable' || reason === 'attestation_stale') {
      observer.deepCheck(reason === 'attestation_stale' ? 'stale' : 'unavailable')
      check.deep = undefined
      check.addUnverifiable(reason)
      return undefined
    }
    if (reason !== undefined) {
      observer.deepCheck('failed')
      return reason
    }
    observer.deepCheck('passed')
    if (check.path !== 'deep') observer.ledgerLookup('cache', 0)
    if (check.deep !== undefined) observer.attestationAge(check.nowMs - check.deep.attestedMs)
    return undefined
  }

  #judgeOne(check: Check, facts: TokenFacts, entry: Entry | undefined): Reason | undefined {
    const isOwn = entry?.origin === facts.attestation?.log && entry?.index === facts.attestation?.index
    const reason = this.#judge(entry, facts, isOwn)
    if (reason !== undefined) return reason
    if (entry?.result === undefined) return 'attestation_invalid'
    if (!isStillTrusted(this.#parts.trust, entry.result, facts)) return 'build_revoked'
    if (isOwn) check.deep = entry.result
    return undefined
  }

  #entry(origin: string, index: number): Entry | undefined {
    return this.#entries.get(origin)?.get(index)
  }

  #isFresh(origin: string, index: number, nowMs: number): boolean {
    const entry = this.#entry(origin, index)
    return entry !== undefined && nowMs < entry.untilMs
  }

  #judge(entry: Entry | undefined, facts: TokenFacts, isOwn: boolean): Reason | undefined {
    if (entry === undefined) return 'attestation_unavailable'
    if (entry.outcome === 'failed') return 'attestation_invalid'
    if (entry.outcome === 'unavailable' || entry.result === undefined) {
      return entry.result === undefined ? 'attestation_unavailable' : 'attestation_stale'
    }
    if (!isOwn) return undefined
    const { facts: build } = entry.result
    if (facts.build === undefined || !equalBytes(build.build, facts.build.digest))
      return 'attestation_invalid'
    if (this.#rules === undefined) return undefined
    return decideAdmission(this.#rules, facts.sub, build).admitted ? undefined : 'attestation_invalid'
  }

  async #check(td: string, named: Asked): Promise<void> {
    const { options, observer, stopwatch, trust, clock, queue } = this.#parts
    const startedMs = stopwatch()
    const held = this.#entry(named.origin, named.index)?.result
    let entry: Omit<Entry, keyof Named>
    try {
      const answer = await options.source.fetchAttestation({ td, ...named })
      observer.ledgerLookup(answer?.source ?? 'remote', stopwatch() - startedMs)
      const decide = (evidence: string | Uint8Array) =>
        decideAnswer({ evidence, named, trust, observer, stopwatch, clock, options })
      // One check for each attestation, however many requests name it: never shed.
      const result = answer && (await queue.run(0, () => decide(answer.evidence)))
      entry =
        typeof result === 'object'
          ? { outcome: 'passed', result, untilMs: result.checkedMs + this.#freshMs }
          : { outcome: 'failed', result: undefined, untilMs: clock.now() + failureMs }
    } catch {
      // The source's own log says why; here it only counts that nobody could be asked.
      entry = { outcome: 'unavailable', result: held, untilMs: clock.now() + failureMs }
    }
    this.#keep({ origin: named.origin, index: named.index, ...entry })
  }

  #keep(entry: Entry): void {
    const { origin, index } = entry
    const before = this.#entry(origin, index)
    if (before !== undefined) this.#forget(before)
    const [oldest] = this.#order
    if (this.#order.size >= this.#cacheMax && oldest !== undefined) this.#forget(oldest)
    const entries = this.#entries.get(origin) ?? new Map<number, Entry>()
    this.#entries.set(origin, entries.set(index, entry))
    this.#order.add(entry)
  }

  #forget(entry: Entry): void {
    const entries = this.#entries.get(entry.origin)
    this.#order.delete(entry)
    entries?.delete(entry.index)
    if (entries?.size === 0) this.#entries.delete(entry.origin)
  }
}

function namedBy({ attestation, build, hops }: TokenFacts): readonly Asked[] {
  const named: Asked[] = []
  if (attestation !== undefined) {
    named.push({ origin: attestation.log, index: attestation.index, build: build?.digest })
  }
  for (const { attestationOrigin, attestationIndex } of hops) {
    if (attestationOrigin !== '')
      named.push({ origin: attestationOrigin, index: attestationIndex, build: undefined })
  }
  return named
}
