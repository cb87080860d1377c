import type { CompiledPolicy } from './assemble-policy.ts'
import { asksEngine, decide } from './decide.ts'
import type { DecisionReason } from './decision.ts'
import type { Action } from './document.ts'
import { type FactName, type FactValue, type Facts, factNames } from './facts.ts'
import { candidateValues, same } from './lib/candidate-values.ts'
import { changeFact } from './lib/change-fact.ts'

/** A fact that would have to be otherwise. */
export interface FactChange {
  readonly fact: FactName
  readonly from: FactValue
  readonly to: FactValue
}

/** A smallest change that would have led to another action. */
export interface Counterfactual {
  /** One fact, or two where no single one would do. */
  readonly changes: readonly FactChange[]
  /** What follows from them: the status of a reason, what is known of a build. */
  readonly implied: readonly FactChange[]
  /** What is done then, if the decision is carried out. */
  readonly action: Action
  /** What decides then. */
  readonly reason: DecisionReason
  readonly rule: string | null
  readonly exception: string | null
}

interface Change {
  readonly fact: FactName
  readonly to: FactValue
}

interface Found {
  readonly counterfactual: Counterfactual
  readonly weight: number
}

const pairsMax = 20_000
const perActionMax = 3
const otherActions = ['allow', 'quarantine', 'reject'] as const

/**
 * What would have changed a decision: the smallest changes of one fact that lead to each other action; where no single fact does, of two.
 *
 * Values come from what the policy's conditions compare facts with, and every suggestion was decided: with `changes` and `implied` in place,
 * the policy's own rules give `action`. Nothing is said of what an engine decided. It is not complete: patterns and what is calculated from several facts are not turned around.
 */
export function findCounterfactuals(policy: CompiledPolicy, facts: Facts): readonly Counterfactual[] {
  if (asksEngine(policy, facts)) return []
  const search = new Search(policy, facts)
  const singles = search.singles()
  const reached = new Set(singles.map(({ counterfactual }) => counterfactual.action))
  const pairs = search.pairs(reached)
  return otherActions.flatMap((action) =>
    best([...singles, ...pairs].filter(({ counterfactual }) => counterfactual.action === action)),
  )
}

class Search {
  readonly #policy: CompiledPolicy
  readonly #facts: Facts
  readonly #action: Action
  readonly #changes: readonly Change[]

  constructor(policy: CompiledPolicy, facts: Facts) {
    this.#policy = policy
    this.#facts = facts
    this.#action = decide(policy, facts).wouldBe
    this.#changes = [...candidateValues(policy, facts)].flatMap(([fact, values]) =>
      values.map((to) => ({ fact, to })),
    )
  }

  singles(): readonly Found[] {
    return this.#changes.flatMap((change) => this.#try([change]))
  }

  /** Pairs that lead to an action that no single change leads to. */
  pairs(reached: ReadonlySet<Action>): readonly Found[] {
    const found: Found[] = []
    if (reached.size === otherActions.length - 1) return found
    let tried = 0
    for (const [at, one] of this.#changes.entries()) {
      for (const other of this.#changes.slice(at + 1)) {
        if (one.fact === other.fact) continue
        if (tried++ >= pairsMax) return found
        found.push(
          ...this.#try([one, other]).filter(({ counterfactual }) => !reached.has(counterfactual.action)),
        )
      }
    }
    return found
  }

  #try(wanted: readonly Change[]): readonly Found[] {
    const changed = wanted.reduce((facts, { fact, to }) => changeFact(facts, fact, to), this.#facts)
    // What follows from the second may undo the first.
    if (!wanted.every(({ fact, to }) => same(changed[fact], to))) return []
    const { wouldBe: action, reason, rule, exception } = decide(this.#policy, changed)
    // A rule that fails on facts that were made up is no advice; what an engine would say nobody knows.
    if (action === this.#action || reason === 'policy_error' || reason === 'engine_unavailable') return []
    const changes = wanted.map(({ fact, to }) => ({ fact, from: this.#facts[fact], to }))
    const named = new Set(wanted.map(({ fact }) => fact))
    const implied = factNames
      .filter((fact) => !named.has(fact) && !same(this.#facts[fact], changed[fact]))
      .map((fact) => ({ fact, from: this.#facts[fact], to: changed[fact] }))
    const weight = weightOf(changes, implied, this.#facts)
    const counterfactual = { changes, implied, action, reason, rule, exception: exception?.name ?? null }
    return [{ counterfactual, weight }]
  }
}

/** The lightest for each set of facts, the lightest sets first. */
function best(found: readonly Found[]): readonly Counterfactual[] {
  const bySet = new Map<string, Counterfactual>()
  for (const { counterfactual } of found.toSorted((a, b) => a.weight - b.weight)) {
    const set = counterfactual.changes
      .map(({ fact }) => fact)
      .toSorted()
      .join(' ')
    if (!bySet.has(set)) bySet.set(set, counterfactual)
  }
  return [...bySet.values()].slice(0, perActionMax)
}

// First what follows least from, then what somebody can change: a build before a request, a request before the place; the verdict first where it is
// what is wrong, else last. Of two numbers the nearer one.
function weightOf(changes: readonly FactChange[], implied: readonly FactChange[], facts: Facts): number {
  const order = changes.reduce((sum, { fact }) => sum + rankOf(fact, facts), 0)
  const distance = changes.reduce((sum, { from, to }) => {
    return sum + (typeof from === 'number' && typeof to === 'number' ? Math.abs(from - to) : 0)
  }, 0)
  return changes.length * 1_000 + order * 10 + implied.length / 10 + (distance / (distance + 1)) * 0.01
}

function rankOf(fact: FactName, facts: Facts): number {
  if (fact === 'verdict.reason') return facts['verdict.status'] === 'verified' ? 9 : 0
  if (fact.startsWith('build')) return 1
  if (fact.startsWith('identity')) return 3
  return fact.startsWith('request') ? 2 : 4
}
