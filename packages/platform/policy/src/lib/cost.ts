import { factRow } from '../facts.ts'
import { type Node, childrenOf } from './condition-tree.ts'
import { costOf } from './functions.ts'

/** The most that evaluating `node` can cost, in tenths of a microsecond, about. */
export function costOfNode(node: Node): number {
  const own = node.kind === 'call' ? costOf(node.name) : 1
  if (node.kind === 'quantifier') {
    return own + costOfNode(node.range) + sizeMaxOf(node.range) * (costOfNode(node.body) + 4)
  }
  return childrenOf(node).reduce((sum, child) => sum + costOfNode(child), own)
}

// Only literals and facts are lists.
function sizeMaxOf(range: Node): number {
  if (range.kind === 'list') return range.items.length
  if (range.kind === 'fact') return factRow(range.name).sizeMax ?? 1
  return range.kind === 'choice' ? Math.max(sizeMaxOf(range.yes), sizeMaxOf(range.no)) : 1
}
