import { type Clock, equalBytes } from '@quantum-ip/base'
import { type AdmissionRule, decideAdmission } from '@quantum-ip/attestation'
import type { TrustView } from '@quantum-ip/trust'
import type { DeepMode } from '../deep-mode.ts'
import type { VerifierObserver } from '../observer.ts'
import type { Reason } from '../verdict.ts'
import type { AttestationOptions } from '../verifier-options.ts'
import { decideAnswer } from './attestation-answer.ts'
import type { Check } from './check.ts'
import { type DeepResult, isStillTrusted } from './deep-result.ts'
import { SingleFlight } from './single-flight.ts'
import type { TokenFacts } from './token-facts.ts'

// How long a failure is remembered, so that a registry that is away is not asked by each request.
const failureMs = 1_000

interface Entry {
  readonly outcome: 'passed' | 'failed' | 'unavailable'
  /** From the last check that passed, whatever came of later ones. */
  readonly result: DeepResult | undefined
  readonly untilMs: number
}

interface Named {
  readonly origin: string
  readonly index: number
  readonly build: Uint8Array | undefined
}

/** What a {@link DeepChecker} is made of. */
export interface DeepCheckerParts {
  readonly trust: TrustView
  readonly clock: Clock
  readonly observer: VerifierObserver
  readonly stopwatch: () => number
  readonly options: AttestationOptions
}

/** Whether a deep check of the token with this digest is due: the same answer each time for one token. */
export function isDeep(mode: DeepMode, digestText: string): boolean {
  if (mode === 'always' || mode === 'never') return mode === 'always'
  const draw = (digestText.charCodeAt(0) * 256 + digestText.charCodeAt(1)) * 256 + digestText.charCodeAt(2)
  return draw < mode.sample * 2 ** 24
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
  readonly #entries = new Map<string, Entry>()
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

  get size(): number {
    return this.#entries.size
  }

  /** Whether all that the token names was checked and is fresh. */
  isHeld(facts: TokenFacts, nowMs: number): boolean {
    for (const named of namedBy(facts)) {
      const entry = this.#entries.get(keyOf(named))
      if (entry === undefined || nowMs >= entry.untilMs) return false
    }
    return true
  }

  /** Asks for what is missing or no longer fresh. */
  async ask(facts: TokenFacts): Promise<void> {
    const nowMs = this.#parts.clock.now()
    const missing = namedBy(facts).filter((named) => {
      const entry = this.#entries.get(keyOf(named))
      return entry === undefined || nowMs >= entry.untilMs
    })
    await Promise.all(
      missing.map((named) => this.#flights.run(keyOf(named), () => this.#check(facts.td, named))),
    )
  }

  /** The step's answer from what is held: the token's own attestation first, then the hops'. */
  judgeHeld(check: Check, facts: TokenFacts): Reason | undefined {
    const { observer, trust } = this.#parts
    for (const named of namedBy(facts)) {
      const entry = this.#entries.get(keyOf(named))
      const isOwn = named.origin === facts.attestation?.log && named.index === facts.attestation.index
      const reason = this.#judge(entry, facts, isOwn)
      if (reason === 'attestation_unavailable' || reason === 'attestation_stale') {
        observer.deepCheck(reason === 'attestation_stale' ? 'stale' : 'unavailable')
        check.deep = undefined
        check.addUnverifiable(reason)
        return undefined
      }
      if (reason !== undefined || entry?.result === undefined) {
        observer.deepCheck('failed')
        return reason ?? 'attestation_invalid'
      }
      if (!isStillTrusted(trust, entry.result, facts)) {
        observer.deepCheck('failed')
        return 'build_revoked'
      }
      if (isOwn) check.deep = entry.result
    }
    observer.deepCheck('passed')
    if (check.path !== 'deep') observer.ledgerLookup('cache', 0)
    if (check.deep !== undefined) observer.attestationAge(check.nowMs - check.deep.attestedMs)
    return undefined
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

  async #check(td: string, named: Named): Promise<void> {
    const { options, observer, stopwatch, trust, clock } = this.#parts
    const startedMs = stopwatch()
    const held = this.#entries.get(keyOf(named))?.result
    let entry: Entry
    try {
      const answer = await options.source.fetchAttestation({ td, ...named })
      observer.ledgerLookup(answer?.source ?? 'remote', stopwatch() - startedMs)
      const result =
        answer &&
        (await decideAnswer({
          evidence: answer.evidence,
          named,
          trust,
          observer,
          stopwatch,
          clock,
          levels: options.slsaLevels,
        }))
      entry = result
        ? { outcome: 'passed', result, untilMs: result.checkedMs + this.#freshMs }
        : { outcome: 'failed', result: undefined, untilMs: clock.now() + failureMs }
    } catch {
      // The source's own log says why; here it only counts that nobody could be asked.
      entry = { outcome: 'unavailable', result: held, untilMs: clock.now() + failureMs }
    }
    this.#keep(keyOf(named), entry)
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#cacheMax) this.#entries.delete(this.#entries.keys().next().value ?? '')
    this.#entries.set(key, entry)
  }
}

function namedBy(facts: TokenFacts): readonly Named[] {
  const named: Named[] = []
  if (facts.attestation !== undefined) {
    named.push({ origin: facts.attestation.log, index: facts.attestation.index, build: facts.build?.digest })
  }
  for (const { attestationOrigin, attestationIndex } of facts.hops) {
    if (attestationOrigin !== '')
      named.push({ origin: attestationOrigin, index: attestationIndex, build: undefined })
  }
  return named
}

function keyOf({ origin, index }: Named): string {
  return `${origin} ${index}`
}
