import type { CompiledPolicy } from '../assemble-policy.ts'
import { type FactName, type FactValue, type Facts, factRow } from '../facts.ts'
import { sampleFacts } from '../sample-facts.ts'
import { type Node, childrenOf } from './condition-tree.ts'

/** Values that a fact could have instead, each of which a condition of the policy tells apart from another one. */
export type Candidates = ReadonlyMap<FactName, readonly FactValue[]>

/**
 * Other values for the facts that a policy reads: taken from what its conditions compare them with.
 *
 * A number gets the values around each that it is compared with; a text those it is asked to be, to begin with or to be in; what may be null
 * gets null and a plausible value. What follows from another fact alone is asked of that one: the status of the reason.
 */
export function candidateValues(policy: CompiledPolicy, facts: Facts): Candidates {
  const found = new Finder(facts)
  for (const { condition } of [...policy.exceptions, ...policy.rules]) {
    if (condition !== null) found.visit(condition.tree)
  }
  for (const { reasons } of [...policy.document.exceptions, ...policy.document.rules]) {
    for (const reason of reasons ?? []) found.add('verdict.reason', reason)
  }
  for (const reason of Object.keys(policy.document.defaults.byReason)) found.add('verdict.reason', reason)
  found.add('verdict.reason', 'ok')
  return found.values()
}

// Time passes by itself, the mode is not the request's, and an epoch is nobody's to choose.
const unchangeable: ReadonlySet<FactName> = new Set<FactName>(['env.timeS', 'env.mode', 'verdict.epoch'])

class Finder {
  readonly #facts: Facts
  readonly #sample: Facts
  readonly #found = new Map<FactName, Set<FactValue>>()

  constructor(facts: Facts) {
    this.#facts = facts
    this.#sample = sampleFacts({
      'request.mtls': 'spiffe://example.org/ns/default/sa/caller',
      'request.jwt': 'subject',
      'env.region': 'region-1',
      'env.tier': 'standard',
    })
  }

  values(): Candidates {
    return new Map([...this.#found].map(([name, values]) => [name, [...values]]))
  }

  add(name: FactName, value: FactValue): void {
    if (unchangeable.has(name)) return
    if (name === 'verdict.status' || name === 'verdict.authenticated') {
      this.add('verdict.reason', 'ok')
      return
    }
    if (name === 'identity.trustDomain') {
      if (typeof value === 'string') this.add('identity', `${value}/ns/default/sa/caller`)
      return
    }
    if (!fits(name, value) || same(this.#facts[name], value)) return
    const values = this.#found.get(name) ?? new Set<FactValue>()
    values.add(value)
    this.#found.set(name, values)
  }

  visit(node: Node): void {
    if (node.kind === 'fact') this.#plain(node.name)
    if (node.kind === 'call') this.#call(node)
    if (node.kind === 'quantifier') {
      for (const value of constantsOf(node.range)) this.#pair(node.body, value)
      if (node.range.kind === 'fact') this.#member(node.range.name, node.body)
    }
    for (const child of childrenOf(node)) this.visit(child)
  }

  // A fact that is read at all: the other truth value, known instead of unknown and the reverse.
  #plain(name: FactName): void {
    const { type, nullable, values } = factRow(name)
    if (type === 'bool') this.add(name, this.#facts[name] !== true)
    if (type === 'list') this.add(name, [])
    if (nullable) this.add(name, null)
    this.add(name, this.#sample[name])
    if (name !== 'verdict.reason') for (const value of values ?? []) this.add(name, value)
  }

  #call({ name, args }: Extract<Node, { kind: 'call' }>): void {
    const [left, right] = args
    if (left === undefined || right === undefined) return
    if (name === 'in' && right.kind === 'fact') {
      for (const value of constantsOf(left)) this.#append(right.name, value)
    }
    for (const [one, other] of [
      [left, right],
      [right, left],
    ] as const) {
      if (one.kind !== 'fact') continue
      for (const value of constantsOf(other)) this.#around(one.name, value)
      if (other.kind === 'fact') this.add(one.name, this.#facts[other.name])
    }
  }

  #around(name: FactName, value: FactValue): void {
    if (typeof value !== 'number') return this.add(name, value)
    // The whole numbers that a comparison with this one tells apart.
    for (const near of [Math.floor(value) - 1, Math.floor(value), Math.ceil(value), Math.ceil(value) + 1]) {
      if (near >= 0) this.add(name, near)
    }
  }

  // Facts of a quantifier's body, with the values that its variable takes.
  #pair(node: Node, value: FactValue): void {
    if (node.kind === 'fact') this.#around(node.name, value)
    for (const child of childrenOf(node)) this.#pair(child, value)
  }

  #member(name: FactName, body: Node): void {
    for (const value of constantsOf(body)) this.#append(name, value)
    for (const child of childrenOf(body)) this.#member(name, child)
  }

  #append(name: FactName, value: FactValue): void {
    const list = this.#facts[name]
    if (typeof value === 'string' && Array.isArray(list)) this.add(name, [...(list as string[]), value])
  }
}

/** The constants that a part of a condition can be: literals, lists of them, and sums that are written out. */
function constantsOf(node: Node): readonly FactValue[] {
  if (node.kind === 'list') return node.items.flatMap((item) => constantsOf(item))
  if (node.kind === 'literal') return [typeof node.value === 'bigint' ? Number(node.value) : node.value]
  if (node.kind !== 'call') return []
  const [left, right] = node.args.map((arg) => constantsOf(arg)[0])
  const value =
    typeof left === 'number' && typeof right === 'number' ? calculate(node.name, left, right) : undefined
  return value === undefined || !Number.isSafeInteger(value) ? [] : [value]
}

function calculate(operator: string, left: number, right: number): number | undefined {
  switch (operator) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return right === 0 ? undefined : Math.trunc(left / right)
    default:
      return undefined
  }
}

function fits(name: FactName, value: FactValue): boolean {
  const { type, nullable, values, sizeMax = 0 } = factRow(name)
  if (value === null) return nullable
  switch (type) {
    case 'bool':
      return typeof value === 'boolean'
    case 'int':
      return Number.isSafeInteger(value)
    case 'string':
      return typeof value === 'string' && (values === undefined || values.includes(value))
    case 'list':
      return Array.isArray(value) && value.length <= sizeMax
  }
}

/** Whether two values of facts are the same. */
export function same(one: FactValue, other: FactValue): boolean {
  return one === other || (Array.isArray(one) && JSON.stringify(one) === JSON.stringify(other))
}
