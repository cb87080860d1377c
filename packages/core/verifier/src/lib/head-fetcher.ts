import { limits } from '@quantum-ip/base'
import { isValidSubtree } from '@quantum-ip/log'
import { readStaple, type StapledHead, TokenRefusal } from '@quantum-ip/token'
import type { TrustView } from '@quantum-ip/trust'
import type { VerifierObserver } from '../observer.ts'
import type { HeadSource, HeadTuple } from '../sources.ts'
import { tupleKey } from './provisional-head.ts'
import { SingleFlight } from './single-flight.ts'
import { TokenBucket } from './token-bucket.ts'

const absentForMs = 1_000
const absentMax = 4_096

/** What {@link HeadFetcher} works by. */
export interface HeadFetchRules {
  readonly source: HeadSource | undefined
  readonly trust: TrustView
  readonly observer: VerifierObserver
  readonly fetchesPerS: number
  readonly batchTokensMax: number
}

/**
 * Asks the authority for heads by tuple, within its budget: only for tuples that may exist, one request
 * at a time for each, so many per second, and nothing but the authority's own "no" is remembered.
 */
export class HeadFetcher {
  readonly #rules: HeadFetchRules
  readonly #bucket: TokenBucket
  readonly #flights = new SingleFlight<StapledHead | 'absent' | 'unavailable'>()
  readonly #absentUntil = new Map<string, number>()

  constructor(rules: HeadFetchRules) {
    this.#rules = rules
    this.#bucket = new TokenBucket(rules.fetchesPerS)
  }

  /** The head of this tuple, not verified; `absent` if the authority says so, `unavailable` if nobody was or could be asked. */
  fetch(
    tuple: HeadTuple,
    nowMs: number,
  ): Promise<StapledHead | 'absent' | 'unavailable'> | 'absent' | 'unavailable' {
    const { source, trust, batchTokensMax, observer } = this.#rules
    if (source === undefined) return 'unavailable'
    const known = Math.max(0, trust.logSize(tuple.origin))
    const isPlausible =
      isValidSubtree(tuple) &&
      tuple.end - tuple.start <= limits.subtreeLeavesMax &&
      tuple.end <= known + 2 * batchTokensMax
    if (!isPlausible) {
      observer.headFetch('refused')
      return 'unavailable'
    }
    const key = tupleKey(tuple)
    if ((this.#absentUntil.get(key) ?? 0) > nowMs) return 'absent'
    if (!this.#flights.has(key) && !this.#bucket.take(nowMs)) {
      observer.headFetch('shed')
      return 'unavailable'
    }
    return this.#flights.run(key, () => this.#ask(source, tuple, nowMs))
  }

  async #ask(
    source: HeadSource,
    tuple: HeadTuple,
    nowMs: number,
  ): Promise<StapledHead | 'absent' | 'unavailable'> {
    const { observer } = this.#rules
    let text: string | undefined
    try {
      text = await source.fetchHead(tuple)
    } catch {
      // Whatever went wrong on the way: nobody could be asked, and the source's own log says why.
      observer.headFetch('unavailable')
      return 'unavailable'
    }
    if (text === undefined) {
      observer.headFetch('absent')
      if (this.#absentUntil.size >= absentMax) this.#absentUntil.clear()
      this.#absentUntil.set(tupleKey(tuple), nowMs + absentForMs)
      return 'absent'
    }
    const head = headOf(text, tuple)
    observer.headFetch(head === undefined ? 'unavailable' : 'found')
    return head ?? 'unavailable'
  }
}

/** The head of a staple that is of exactly this tuple. */
export function headOf(staple: string, tuple: Omit<HeadTuple, 'td' | 'keyId'>): StapledHead | undefined {
  const heads = readStaple(staple)
  if (heads instanceof TokenRefusal) return undefined
  return heads.find(
    ({ origin, start, end }) => origin === tuple.origin && start === tuple.start && end === tuple.end,
  )
}
