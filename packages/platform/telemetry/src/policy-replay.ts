import {
  type Action,
  type CompiledPolicy,
  type FactName,
  type Facts,
  type PolicyIdentity,
  decide,
} from '@quantum-ip/policy'
import type { DecisionRecord } from './decision-record.ts'
import { factsOfRecord } from './recorded-facts.ts'

/** A caller of a service, as far as it is known; `null` without a proven identity. */
export interface ReplayedCaller {
  readonly caller: string | null
  readonly service: string
  readonly records: number
}

/** Records that the candidate would decide otherwise, all in one way. */
export interface ReplayChange {
  /** What was done, and what the candidate would do, each if it is carried out. */
  readonly from: Action
  readonly to: Action
  /** What decides in the candidate: `rule name`, `exception name`, or the reason of the decision. */
  readonly by: string
  readonly records: number
  /** How many requests they stand for: sampled records stand for more than one. */
  readonly requests: number
  /** Distinct callers without those that have no proven identity. */
  readonly callers: number
  /** The ones with most records first. */
  readonly topCallers: readonly ReplayedCaller[]
  /** IDs of the newest decisions among them, newest first. */
  readonly examples: readonly string[]
}

/** What a candidate would have done with recorded decisions. */
export interface ReplayReport {
  readonly candidate: PolicyIdentity
  readonly records: number
  readonly unchanged: number
  readonly changed: number
  /** Requests that the judged records stand for. */
  readonly requests: number
  /** Records that the candidate cannot be asked about, because it reads facts that they do not have. */
  readonly notJudged: {
    readonly records: number
    readonly facts: Readonly<Partial<Record<FactName, number>>>
    /** Those that the candidate leaves to its engine. */
    readonly engine: number
  }
  /** The most records first. */
  readonly changes: readonly ReplayChange[]
  /** The time of the first and the last record; `null` without any. */
  readonly fromMs: number | null
  readonly toMs: number | null
}

const topMax = 10
const examplesMax = 5
const callersMax = 100_000

interface Group {
  readonly from: Action
  readonly to: Action
  readonly by: string
  records: number
  requests: number
  readonly callers: Map<string, { readonly caller: string | null; readonly service: string; records: number }>
  readonly identities: Set<string>
  examples: readonly { readonly id: string; readonly timeMs: number }[]
}

/**
 * Decides recorded decisions again, by a candidate.
 *
 * Each record is decided on the facts that it has. A candidate that reads a fact which a record lacks is not believed about
 * it: such records are counted apart, by fact.
 */
export class PolicyReplay {
  readonly #candidate: CompiledPolicy
  readonly #groups = new Map<string, Group>()
  readonly #missing = new Map<FactName, number>()
  #records = 0
  #unchanged = 0
  #notJudged = 0
  #byEngine = 0
  #requests = 0
  #fromMs = Number.POSITIVE_INFINITY
  #toMs = Number.NEGATIVE_INFINITY

  constructor(candidate: CompiledPolicy) {
    this.#candidate = candidate
  }

  get records(): number {
    return this.#records
  }

  /** @throws {Error} if what it is given is no record that a decision log wrote. */
  add(record: DecisionRecord): void {
    const { facts, read } = this.#factsOf(record)
    const { wouldBe: to, rule, exception, reason } = decide(this.#candidate, facts)
    this.#records++
    this.#fromMs = Math.min(this.#fromMs, record.timeMs)
    this.#toMs = Math.max(this.#toMs, record.timeMs)
    if (read.size > 0 || reason === 'engine_unavailable') {
      this.#notJudged++
      if (read.size === 0) this.#byEngine++
      for (const fact of read) this.#missing.set(fact, (this.#missing.get(fact) ?? 0) + 1)
      return
    }
    const requests = requestsOf(record)
    this.#requests += requests
    if (to === record.wouldBe) {
      this.#unchanged++
      return
    }
    const by = exception === null ? (rule === null ? reason : `rule ${rule}`) : `exception ${exception.name}`
    count(this.#group({ from: record.wouldBe, to, by }), record, requests)
  }

  report(): ReplayReport {
    const changes = [...this.#groups.values()]
      .map((group) => changeOf(group))
      .toSorted((a, b) => b.records - a.records)
    return {
      candidate: this.#candidate.identity,
      records: this.#records,
      unchanged: this.#unchanged,
      changed: changes.reduce((sum, { records }) => sum + records, 0),
      requests: Math.round(this.#requests),
      notJudged: {
        records: this.#notJudged,
        facts: Object.fromEntries(this.#missing),
        engine: this.#byEngine,
      },
      changes,
      fromMs: this.#records === 0 ? null : this.#fromMs,
      toMs: this.#records === 0 ? null : this.#toMs,
    }
  }

  // What a record lacks is noticed when it is read: a condition that was decided before it needs it is judged.
  #factsOf(record: DecisionRecord): { readonly facts: Facts; readonly read: ReadonlySet<FactName> } {
    const { facts, missing } = factsOfRecord(record)
    const read = new Set<FactName>()
    const watched: Record<string, unknown> = { ...facts, 'env.mode': this.#candidate.document.mode }
    for (const name of missing) {
      Object.defineProperty(watched, name, {
        get() {
          read.add(name)
          return facts[name]
        },
      })
    }
    return { facts: watched as unknown as Facts, read }
  }

  #group({ from, to, by }: Pick<Group, 'from' | 'to' | 'by'>): Group {
    const key = `${from} ${to} ${by}`
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const group: Group = {
      from,
      to,
      by,
      records: 0,
      requests: 0,
      callers: new Map(),
      identities: new Set(),
      examples: [],
    }
    this.#groups.set(key, group)
    return group
  }
}

function requestsOf({ share }: DecisionRecord): number {
  // A record of an earlier version does not say.
  const known = share as number | undefined
  return known === undefined || !(known > 0) ? 1 : 1 / known
}

function count(group: Group, record: DecisionRecord, requests: number): void {
  const { subject, service, id, timeMs } = record
  group.records++
  group.requests += requests
  group.examples = [...group.examples, { id, timeMs }]
    .toSorted((a, b) => b.timeMs - a.timeMs)
    .slice(0, examplesMax)
  if (subject !== null && group.identities.size < callersMax) group.identities.add(subject)
  const key = `${subject ?? ''} ${service}`
  const known = group.callers.get(key)
  if (known !== undefined) known.records++
  else if (group.callers.size < callersMax) group.callers.set(key, { caller: subject, service, records: 1 })
}

function changeOf({ from, to, by, records, requests, callers, identities, examples }: Group): ReplayChange {
  return {
    from,
    to,
    by,
    records,
    requests: Math.round(requests),
    callers: identities.size,
    topCallers: [...callers.values()].toSorted((a, b) => b.records - a.records).slice(0, topMax),
    examples: examples.map(({ id }) => id),
  }
}
