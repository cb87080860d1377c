import { isMap, isScalar, isSeq, type ParsedNode, type Scalar, type YAMLMap, type YAMLSeq } from 'yaml'
import type { Json, JsonObject } from '@quantum-ip/base'
import type { Path } from '../lib/schema-tree.ts'
import { placeKey } from './place-key.ts'
import { YamlFault } from './yaml-fault.ts'

/** The value of a node, and in `places` the offset of each value inside it: a member's at its key. */
export function readNode(node: ParsedNode, places: Map<string, number>): Json {
  places.set(placeKey([]), node.range[0])
  return valueOf(node, [], places)
}

function valueOf(node: ParsedNode, path: Path, places: Map<string, number>): Json {
  if (isScalar(node)) return scalarOf(node)
  if (isSeq(node)) return listOf(node, path, places)
  if (isMap(node)) return mappingOf(node, path, places)
  throw new YamlFault(node.range[0], 'an alias; write the value out')
}

function listOf(node: YAMLSeq.Parsed, path: Path, places: Map<string, number>): Json[] {
  return node.items.map((item, index) => {
    const here = [...path, index]
    if (isPair(item)) throw new YamlFault(node.range[0], 'a pair without braces in a list')
    places.set(placeKey(here), item.range[0])
    return valueOf(item, here, places)
  })
}

function mappingOf(node: YAMLMap.Parsed, path: Path, places: Map<string, number>): JsonObject {
  const mapping: JsonObject = Object.create(null) as JsonObject
  for (const { key, value } of node.items) {
    const offset = key?.range[0] ?? node.range[0]
    if (!isScalar(key) || typeof key.value !== 'string' || key.value === '' || !key.value.isWellFormed())
      throw new YamlFault(offset, 'a key is not text')
    if (Object.hasOwn(mapping, key.value)) throw new YamlFault(offset, 'a key occurs twice')
    const here = [...path, key.value]
    places.set(placeKey(here), offset)
    mapping[key.value] = value === null ? null : valueOf(value, here, places)
  }
  return mapping
}

function scalarOf(node: Scalar.Parsed): Json {
  const { value, source, type } = node
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new YamlFault(node.range[0], 'a text is not well-formed Unicode')
    return value
  }
  if (typeof value !== 'number') throw new YamlFault(node.range[0], 'a value that JSON does not have')
  // `0600` is 600 in YAML 1.2 and 384 in YAML 1.1: nobody can tell what was meant.
  if (type === 'PLAIN' && /^[-+]?0\d/.test(source)) {
    throw new YamlFault(
      node.range[0],
      'a number with a leading zero; quote it if it is a text or a file mode',
    )
  }
  const survives = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
  if (!survives) throw new YamlFault(node.range[0], 'a number is out of range')
  return value
}

function isPair(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'key' in item
}
