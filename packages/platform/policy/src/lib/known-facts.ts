import { type FactName, factNames, factRow } from '../facts.ts'
import type { Node } from './condition-tree.ts'

type Names = ReadonlySet<FactName>
const nothing: Names = new Set()

/**
 * The facts that cannot be null where `node` is `truth`: what a guard such as `build != null` tells.
 *
 * In CEL, `false && error` is false and `true || error` is true in either order, so a guard counts for
 * all other terms of its chain.
 */
export function knownWhere(node: Node, truth: boolean): Names {
  switch (node.kind) {
    case 'fact':
      return truth ? withImplied(node.name) : nothing
    case 'not':
      return knownWhere(node.term, !truth)
    case 'and':
      return truth ? union(node.terms, true) : intersection(node.terms, false)
    case 'or':
      return truth ? intersection(node.terms, true) : union(node.terms, false)
    case 'call':
      return knownByCall(node.name, node.args, truth)
    case 'literal':
    case 'variable':
    case 'list':
    case 'choice':
    case 'quantifier':
      return nothing
  }
}

/** What is known besides `known` at one term of a chain, thanks to the others. */
export function knownBeside(node: Node & { readonly kind: 'and' | 'or' }, place: number): Names {
  return union(
    node.terms.filter((_, other) => other !== place),
    node.kind === 'and',
  )
}

function knownByCall(name: string, args: readonly Node[], truth: boolean): Names {
  const [left, right] = args
  if (left === undefined || right === undefined) return nothing
  switch (name) {
    case '==':
      return comparedTo(left, right, truth)
    case '!=':
      return comparedTo(left, right, !truth)
    case 'in':
      // Lists hold no null, so what is in one isn't null.
      return truth && left.kind === 'fact' ? withImplied(left.name) : nothing
    default:
      return nothing
  }
}

function comparedTo(left: Node, right: Node, equal: boolean): Names {
  if (left.kind !== 'fact' && right.kind === 'fact') return comparedTo(right, left, equal)
  if (left.kind !== 'fact' || right.kind !== 'literal') return nothing
  if (right.value === null) return equal ? nothing : withImplied(left.name)
  if (!equal) return typeof right.value === 'boolean' && !right.value ? withImplied(left.name) : nothing
  if (right.value === false) return nothing
  // A verified caller is authenticated: no reason of that status says otherwise.
  const authenticated = left.name === 'verdict.status' && right.value === 'verified'
  return authenticated ? withImplied('verdict.authenticated') : withImplied(left.name)
}

// `name` is true or not null; so are the facts that the schema ties to it, and theirs.
function withImplied(name: FactName): Names {
  const found = new Set<FactName>([name])
  for (const each of found) {
    for (const other of factNames) if (factRow(other).knownWith?.includes(each) === true) found.add(other)
  }
  return found
}

function union(terms: readonly Node[], truth: boolean): Names {
  return new Set(terms.flatMap((term) => [...knownWhere(term, truth)]))
}

function intersection(terms: readonly Node[], truth: boolean): Names {
  const [first, ...rest] = terms.map((term) => knownWhere(term, truth))
  return new Set([...(first ?? nothing)].filter((name) => rest.every((names) => names.has(name))))
}
