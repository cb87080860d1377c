import type { Json, JsonObject } from '@quantum-ip/base'
import { isNode, type Path, type SchemaNode } from '../lib/schema-tree.ts'
import { placeKey } from '../yaml/place-key.ts'

/** A configuration with every default filled in, still in the words of the file. */
export interface Effective {
  readonly value: JsonObject
  /** Whether the value at `path` is written in the file. */
  fromFile(path: Path): boolean
}

/** Fills the defaults of `schema` into a value that fits it. */
export function effectiveConfig(schema: SchemaNode, value: Json): Effective {
  const written = new Set<string>()
  const filled = fill(schema, value, { path: [], inFile: true, written })
  return { value: filled as JsonObject, fromFile: (path) => written.has(placeKey(path)) }
}

interface Filling {
  readonly path: Path
  readonly inFile: boolean
  readonly written: Set<string>
}

function fill(schema: SchemaNode, value: Json, at: Filling): Json {
  if (at.inFile) at.written.add(placeKey(at.path))
  if (Array.isArray(value)) {
    const items = itemSchema(schema)
    return value.map((item, index) => fill(items, item, { ...at, path: [...at.path, index] }))
  }
  if (typeof value !== 'object' || value === null) return value
  const properties = isNode(schema['properties']) ? schema['properties'] : {}
  const whole: JsonObject = Object.create(null) as JsonObject
  for (const [name, child] of Object.entries(properties)) {
    if (!isNode(child)) continue
    const path = [...at.path, name]
    const own = value[name]
    if (own !== undefined) whole[name] = fill(child, own, { ...at, path })
    else if (child['default'] !== undefined) {
      whole[name] = fill(child, child['default'] as Json, { ...at, path, inFile: false })
    }
  }
  return whole
}

// A union has at most one alternative that is a list.
function itemSchema(schema: SchemaNode): SchemaNode {
  const options = Array.isArray(schema['anyOf']) ? schema['anyOf'].filter(isNode) : [schema]
  for (const { items } of options) if (isNode(items)) return items
  return {}
}
