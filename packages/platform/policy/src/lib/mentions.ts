import type { Node } from './condition-tree.ts'

/** A fact and a text that a condition asks it to be. */
export interface Mention {
  readonly fact: string
  readonly text: string
  readonly at: number
}

/**
 * What a condition asks closed-set facts to be, where that makes it true rather than false: from
 * `verdict.reason == "ok"` or `in ["ok"]`, not from `!=` or below `!`.
 */
export function mentionsIn(node: Node, positive = true): readonly Mention[] {
  switch (node.kind) {
    case 'not':
      return mentionsIn(node.term, !positive)
    case 'and':
    case 'or':
      return node.terms.flatMap((term) => mentionsIn(term, positive))
    case 'call':
      return node.name === (positive ? '==' : '!=') || (positive && node.name === 'in')
        ? compared(node.args)
        : []
    case 'literal':
    case 'fact':
    case 'variable':
    case 'list':
    case 'choice':
    case 'quantifier':
      return []
  }
}

function compared([left, right]: readonly Node[]): readonly Mention[] {
  if (left === undefined || right === undefined) return []
  const [fact, other] = left.kind === 'fact' ? [left, right] : [right, left]
  if (fact.kind !== 'fact') return []
  const literals = other.kind === 'list' ? other.items : [other]
  return literals.flatMap((literal) =>
    literal.kind === 'literal' && typeof literal.value === 'string'
      ? [{ fact: fact.name, text: literal.value, at: literal.at }]
      : [],
  )
}
