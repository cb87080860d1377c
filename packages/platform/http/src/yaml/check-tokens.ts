import type { CST } from 'yaml'
import { limits } from '@quantum-ip/base'
import { YamlFault } from './yaml-fault.ts'

interface Waiting {
  readonly token: CST.Token
  readonly depth: number
}

/**
 * Refuses what this project's YAML does not have, on the tokens, before anything is built of them: anchors, aliases,
 * tags, directives, and nesting that would exhaust the stack of a recursive reader. It does not recurse itself.
 */
export function checkTokens(tokens: readonly CST.Token[]): void {
  const waiting: Waiting[] = []
  let open: number | undefined
  for (const token of tokens) {
    waiting.push({ token, depth: 0 })
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      checkToken(next, waiting)
      if (isOpen(next.token)) open ??= next.token.start.offset
    }
  }
  // Last: without this the reader would blame the indentation of the line after the bracket.
  if (open !== undefined) throw new YamlFault(open, 'a bracket that is never closed')
}

function isOpen(token: CST.Token): token is CST.FlowCollection {
  if (token.type !== 'flow-collection') return false
  const wanted = token.start.type === 'flow-map-start' ? 'flow-map-end' : 'flow-seq-end'
  return !token.end.some(({ type }) => type === wanted)
}

function checkToken({ token, depth }: Waiting, waiting: Waiting[]): void {
  if (depth > limits.jsonDepthMax)
    throw new YamlFault(token.offset ?? 0, `nested deeper than ${limits.jsonDepthMax}`)
  if (token.type === 'directive') {
    throw new YamlFault(token.offset, 'a directive; this is always YAML 1.2 without directives')
  }
  if (token.type === 'alias') throw new YamlFault(token.offset, 'an alias; write the value out')
  if (token.type === 'document') {
    checkProperties(token.start)
    if (token.value !== undefined) waiting.push({ token: token.value, depth })
  }
  if ('props' in token) checkProperties(token.props)
  if ('items' in token) for (const item of token.items) checkItem(item, depth, waiting)
}

function checkItem(item: CST.CollectionItem, depth: number, waiting: Waiting[]): void {
  checkProperties(item.start)
  if (item.sep !== undefined) checkProperties(item.sep)
  if (item.key) waiting.push({ token: item.key, depth: depth + 1 })
  if (item.value !== undefined) waiting.push({ token: item.value, depth: depth + 1 })
}

function checkProperties(tokens: readonly CST.Token[]): void {
  for (const token of tokens) {
    if (token.type === 'anchor')
      throw new YamlFault(token.offset, 'an anchor; write the value out where it is used')
    if (token.type === 'tag') throw new YamlFault(token.offset, 'a tag; quote a text to keep it a text')
  }
}
