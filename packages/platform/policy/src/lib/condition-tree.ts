import type { FactName } from '../facts.ts'

/** Macros that policies have: each ends in a bool or fails, none builds a list. */
export type Quantifier = 'exists' | 'all' | 'exists_one'

/** A node of a condition, after names were resolved and everything that policies do not have was refused. */
export type Node = { readonly at: number } & (
  | { readonly kind: 'literal'; readonly value: boolean | bigint | number | string | null }
  | { readonly kind: 'fact'; readonly name: FactName }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  /** Chains are flat: CEL's `&&` and `||` are commutative. */
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Node[] }
  | { readonly kind: 'not'; readonly term: Node }
  | { readonly kind: 'choice'; readonly condition: Node; readonly yes: Node; readonly no: Node }
  /** An operator or function; a method's receiver is the first argument. */
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Node[] }
  | {
      readonly kind: 'quantifier'
      readonly macro: Quantifier
      readonly variable: string
      readonly range: Node
      readonly body: Node
    }
)

/** The children of a node. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'literal':
    case 'fact':
    case 'variable':
      return []
    case 'list':
      return node.items
    case 'and':
    case 'or':
      return node.terms
    case 'not':
      return [node.term]
    case 'choice':
      return [node.condition, node.yes, node.no]
    case 'call':
      return node.args
    case 'quantifier':
      return [node.range, node.body]
  }
}

/** Every fact that a condition reads, in order of first appearance. */
export function factsIn(node: Node): ReadonlySet<FactName> {
  const found = new Set<FactName>()
  const visit = (node: Node): void => {
    if (node.kind === 'fact') found.add(node.name)
    for (const child of childrenOf(node)) visit(child)
  }
  visit(node)
  return found
}
