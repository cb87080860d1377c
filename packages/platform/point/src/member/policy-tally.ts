import type { JsonObject } from '@quantum-ip/base'
import type { Action, Decision, Facts } from '@quantum-ip/policy'
import { type Metrics, policyDifferences } from '@quantum-ip/telemetry'

/** What a policy under watch decided about a request, and what was done without it. */
export interface Watched {
  /** Of the policy under watch. */
  readonly decision: Decision
  /** What is done where the policy under watch has no say. */
  readonly otherwise: Action
  readonly facts: Facts
  /** `null` where the decision is not recorded. */
  readonly decisionId: string | null
}

interface Difference {
  readonly rule: string
  readonly caller: string
  readonly from: Action
  readonly to: Action
  count: number
  /** The newest decision, as far as one was recorded. */
  decision: string | undefined
}

/** So many differences are told apart; of more only the rule, and what it makes of what. */
const differencesMax = 200
const otherCaller = 'other'

/**
 * Counts what a policy under watch would do, or does, beyond what is done without it.
 *
 * Requests, rejections and errors are those of verified callers alone: whoever has no token has no say in a promotion.
 */
export class PolicyTally {
  readonly name: string
  /** The rollout under which it is counted. */
  readonly rollout: number
  readonly #count: (from: Action, to: Action) => void
  readonly #differences = new Map<string, Difference>()
  #requests = 0
  #rejected = 0
  #errors = 0
  #isNews = false

  constructor(name: string, rollout: number, count: (from: Action, to: Action) => void) {
    this.name = name
    this.rollout = rollout
    this.#count = count
  }

  /** Takes down a request for which the policy has a say, or would have. */
  add({ decision, otherwise, facts, decisionId }: Watched): void {
    this.#isNews = true
    const to = decision.wouldBe
    if (facts['verdict.status'] === 'verified') {
      this.#requests++
      if (decision.reason === 'policy_error') this.#errors++
      else if (to !== 'allow' && otherwise === 'allow') this.#rejected++
    }
    if (to !== otherwise) this.#differ({ decision, otherwise, facts, decisionId })
  }

  #differ({ decision, otherwise: from, facts, decisionId }: Watched): void {
    const to = decision.wouldBe
    this.#count(from, to)
    const rule = decision.rule ?? decision.reason
    const identity = facts['verdict.authenticated'] ? (facts.identity ?? null) : null
    const found = this.#find({ rule, caller: identity ?? 'anonymous', from, to })
    found.count++
    if (decisionId !== null) found.decision = decisionId
  }

  #find({ rule, caller, from, to }: Pick<Difference, 'rule' | 'caller' | 'from' | 'to'>): Difference {
    const isFull = this.#differences.size >= differencesMax
    const own = `${rule} ${from} ${to} ${caller}`
    const key = isFull && !this.#differences.has(own) ? `${rule} ${from} ${to} ${otherCaller}` : own
    const known = this.#differences.get(key)
    if (known !== undefined) return known
    const made = {
      rule,
      caller: key === own ? caller : otherCaller,
      from,
      to,
      count: 0,
      decision: undefined,
    }
    this.#differences.set(key, made)
    return made
  }

  /** All that was counted so far; `undefined` where nothing was since it was last asked. */
  news(): JsonObject | undefined {
    if (!this.#isNews) return undefined
    this.#isNews = false
    return {
      name: this.name,
      rollout: this.rollout,
      requests: this.#requests,
      rejected: this.#rejected,
      errors: this.#errors,
      differences: Array.from(this.#differences.values(), (difference) => differenceJson(difference)),
    }
  }

  /** What was not told after all is told again. */
  again(): void {
    this.#isNews = true
  }
}

function differenceJson({ rule, caller, from, to, count, decision }: Difference): JsonObject {
  return { rule, caller, from, to, count, ...(decision !== undefined && { decision }) }
}

/** Counts differences of a policy in the metrics. */
export function differenceCounter(metrics: Metrics, name: string): (from: Action, to: Action) => void {
  const counter = metrics.counter('policy_differences_total')
  const base = counter.places(1)(name) * counter.stride(1)
  const places = new Map(policyDifferences.map(([from, to], place) => [`${from} ${to}`, place]))
  return (from, to) => {
    const place = places.get(`${from} ${to}`)
    if (place !== undefined) counter.add(base + place)
  }
}
