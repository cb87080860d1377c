import { nearest } from '@quantum-ip/base'
import { type FactName, factRow } from '../facts.ts'
import { type Place, PolicyError } from '../policy-errors.ts'
import type { Node } from './condition-tree.ts'
import { type Scalar, type Type, signatures } from './functions.ts'
import { knownBeside, knownWhere } from './known-facts.ts'
import { presenceOf } from './lower.ts'
import { checkPattern } from './pattern-limits.ts'

/** What is known of a value before there is one. */
interface Static {
  readonly type: Type
  /** Whether it may be null here: a fact that no guard has ruled null out for. */
  readonly nullable: boolean
}

interface Scope {
  readonly known: ReadonlySet<FactName>
  readonly variables: ReadonlyMap<string, Scalar>
}

const bool: Static = { type: 'bool', nullable: false }

/**
 * Type-checks conditions against the schema of facts.
 *
 * A condition that passes gives a bool, compares only what can be equal, and uses a fact that may be
 * null only behind a guard. What is left to fail at run time is arithmetic and indexing.
 */
export class ConditionChecker {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @throws {PolicyError} `QIP_POLICY_CONDITION_TYPE`, `QIP_POLICY_CONDITION_MALFORMED` for a pattern. */
  check(node: Node): void {
    const { type } = this.#known(node, { known: new Set(), variables: new Map() })
    if (type !== 'bool') throw this.#wrong(node, `a condition is true or false, this is ${described(type)}`)
  }

  #type(node: Node, scope: Scope): Static {
    switch (node.kind) {
      case 'literal':
        return { type: typeOfLiteral(node.value), nullable: node.value === null }
      case 'fact':
        return typeOfFact(node.name, scope)
      case 'variable':
        return { type: scope.variables.get(node.name) ?? 'string', nullable: false }
      case 'list':
        return { type: this.#list(node, scope), nullable: false }
      case 'and':
      case 'or':
        for (const [place, term] of node.terms.entries()) {
          this.#bool(term, { ...scope, known: scope.known.union(knownBeside(node, place)) })
        }
        return bool
      case 'not':
        this.#bool(node.term, scope)
        return bool
      case 'choice':
        return this.#choice(node, scope)
      case 'quantifier':
        return this.#quantifier(node, scope)
      case 'call':
        return this.#call(node, scope)
    }
  }

  /** The type of a value that must not be null. */
  #known(node: Node, scope: Scope): Static {
    const found = this.#type(node, scope)
    if (!found.nullable) return found
    if (node.kind !== 'fact') throw this.#wrong(node, 'null can only be compared with `==` and `!=`')
    const next = `guard it: ${presenceOf(node.name)} && …, or \`${node.name} == null || …\``
    throw this.#wrong(node, `\`${node.name}\` may be null here`, next)
  }

  #bool(node: Node, scope: Scope): void {
    const { type } = this.#known(node, scope)
    if (type !== 'bool') throw this.#wrong(node, `expected a bool, this is ${described(type)}`)
  }

  #list(node: Node & { readonly kind: 'list' }, scope: Scope): Type {
    let element: Scalar | 'nothing' = 'nothing'
    for (const item of node.items) {
      const type = scalar(this.#known(item, scope).type)
      if (type === undefined) throw this.#wrong(item, 'a list holds bools, numbers or strings')
      if (element !== 'nothing' && type !== element)
        throw this.#wrong(item, 'a list holds values of one type')
      element = type
    }
    return `list<${element}>`
  }

  #choice(node: Node & { readonly kind: 'choice' }, scope: Scope): Static {
    this.#bool(node.condition, scope)
    const yes = this.#known(node.yes, {
      ...scope,
      known: scope.known.union(knownWhere(node.condition, true)),
    })
    const no = this.#known(node.no, { ...scope, known: scope.known.union(knownWhere(node.condition, false)) })
    if (yes.type !== no.type)
      throw this.#wrong(node.no, `\`?:\` gives ${described(yes.type)} or ${described(no.type)}`)
    return yes
  }

  #quantifier(node: Node & { readonly kind: 'quantifier' }, scope: Scope): Static {
    const element = elementOf(this.#known(node.range, scope).type)
    if (element === undefined) throw this.#wrong(node.range, `\`${node.macro}\` goes over a list`)
    const variables = new Map(scope.variables).set(node.variable, element === 'nothing' ? 'string' : element)
    this.#bool(node.body, { ...scope, variables })
    return bool
  }

  #call(node: Node & { readonly kind: 'call' }, scope: Scope): Static {
    const [left, right] = node.args
    if (left !== undefined && right !== undefined && node.args.length === 2) {
      if (node.name === '==' || node.name === '!=') return this.#equality([left, right], node, scope)
      if (node.name === 'in') return this.#membership([left, right], scope)
    }
    const types = node.args.map((arg) => this.#known(arg, scope).type)
    const signature = signatures
      .get(node.name)
      ?.find(({ takes }) => takes.length === types.length && takes.every((type, at) => type === types[at]))
    if (signature === undefined) {
      const given = types.map(described).join(', ')
      throw this.#wrong(node, `\`${node.name}\` does not take ${given === '' ? 'nothing' : given}`)
    }
    if (node.name === 'matches') checkPattern(right, this.#place)
    return { type: signature.gives, nullable: false }
  }

  #equality([left, right]: readonly [Node, Node], node: Node, scope: Scope): Static {
    if (isNull(left) || isNull(right)) return this.#nullComparison(isNull(left) ? right : left, scope)
    const a = this.#type(left, scope)
    const b = this.#type(right, scope)
    if (!comparable(a.type, b.type)) {
      throw this.#wrong(node, `${described(a.type)} is never equal to ${described(b.type)}`)
    }
    if (a.nullable && b.nullable) {
      const next = `guard one of them with \`!= null\``
      throw this.#wrong(node, 'both sides may be null here, and would then be equal', next)
    }
    this.#closedSet(left, right)
    this.#closedSet(right, left)
    return bool
  }

  #nullComparison(node: Node, scope: Scope): Static {
    if (node.kind === 'fact' && factRow(node.name).nullable) return bool
    if (node.kind !== 'fact') throw this.#wrong(node, 'only a fact can be null')
    this.#type(node, scope)
    throw this.#wrong(node, `\`${node.name}\` is never null`, `ask ${presenceOf(node.name)}`)
  }

  #membership([value, list]: readonly [Node, Node], scope: Scope): Static {
    const found = this.#type(value, scope)
    const element = elementOf(this.#known(list, scope).type)
    if (element === undefined) throw this.#wrong(list, '`in` looks into a list')
    if (isNull(value)) throw this.#wrong(value, 'no list holds null')
    if (element !== 'nothing' && !comparable(found.type, element)) {
      throw this.#wrong(value, `${described(found.type)} is never in a list of ${element}`)
    }
    if (list.kind === 'list') for (const item of list.items) this.#closedSet(value, item)
    return bool
  }

  // `verdict.reason == "token_expird"` would never hold, and nobody would see it.
  #closedSet(fact: Node, literal: Node): void {
    if (fact.kind !== 'fact' || literal.kind !== 'literal' || typeof literal.value !== 'string') return
    const { values } = factRow(fact.name)
    if (values === undefined || values.includes(literal.value)) return
    const hint = nearest(literal.value.slice(0, 64), values)
    const next =
      hint === undefined
        ? `it is one of ${values.map((value) => `\`${value}\``).join(', ')}`
        : `did you mean \`${hint}\`?`
    throw this.#wrong(literal, `\`${fact.name}\` is never \`${literal.value.slice(0, 64)}\``, next)
  }

  #wrong(node: Node, reason: string, next?: string): PolicyError {
    return new PolicyError('QIP_POLICY_CONDITION_TYPE', { at: this.#place, offset: node.at, reason, next })
  }
}

function typeOfFact(name: FactName, scope: Scope): Static {
  const { type, nullable } = factRow(name)
  return { type: type === 'list' ? 'list<string>' : type, nullable: nullable && !scope.known.has(name) }
}

function typeOfLiteral(value: boolean | bigint | number | string | null): Type {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'double'
  return typeof value === 'string' ? 'string' : 'null'
}

function isNull(node: Node): boolean {
  return node.kind === 'literal' && node.value === null
}

function scalar(type: Type): Scalar | undefined {
  return type === 'bool' || type === 'int' || type === 'double' || type === 'string' ? type : undefined
}

function elementOf(type: Type): Scalar | 'nothing' | undefined {
  return type.startsWith('list<') ? (type.slice(5, -1) as Scalar | 'nothing') : undefined
}

function comparable(a: Type, b: Type): boolean {
  return a === b || (isNumber(a) && isNumber(b))
}

function isNumber(type: Type): boolean {
  return type === 'int' || type === 'double'
}

function described(type: Type): string {
  return type === 'int' ? 'an int' : type === 'null' ? 'null' : `a ${type}`
}
