/** Where a value is inside another: member names and item indices from the root on. */
export type Path = readonly (string | number)[]

/** A JSON Schema as plain data. */
export interface SchemaNode {
  readonly [keyword: string]: unknown
}

/** Whether `value` is a schema that is an object. */
export function isNode(value: unknown): value is SchemaNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The parts of a JSON pointer (RFC 6901); indices stay text. */
export function parsePointer(pointer: string): string[] {
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** A path as JSON pointer. */
export function formatPointer(path: Path): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The value at `path`, or `undefined`. */
export function at(value: unknown, path: Path): unknown {
  let here = value
  for (const part of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, part)) return undefined
    here = (here as Record<string, unknown>)[String(part)]
  }
  return here
}

/** What kind of value it is, in the words of a message. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'string') return 'a string'
  return typeof value === 'number' ? 'a number' : 'true or false'
}

/** The schemas that may describe the value at `path`: one, or the alternatives of a union. */
export function schemasAt(root: SchemaNode, path: Path): readonly SchemaNode[] {
  let here = alternatives(root)
  for (const part of path) here = here.flatMap((schema) => child(schema, String(part)).flatMap(alternatives))
  return here
}

/** The names of members that are known at `path`. */
export function namesAt(root: SchemaNode, path: Path): readonly string[] {
  return schemasAt(root, path).flatMap((schema) =>
    isNode(schema['properties']) ? Object.keys(schema['properties']) : [],
  )
}

function alternatives(schema: SchemaNode): readonly SchemaNode[] {
  const options = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']
  if (!Array.isArray(options)) return [schema]
  return options.filter(isNode).flatMap(alternatives)
}

function child(schema: SchemaNode, part: string): readonly SchemaNode[] {
  const properties = schema['properties']
  if (isNode(properties) && Object.hasOwn(properties, part)) return nodes(properties[part])
  const patterns = schema['patternProperties']
  if (isNode(patterns)) return Object.values(patterns).filter(isNode)
  return nodes(schema['items'])
}

const nodes = (value: unknown): readonly SchemaNode[] => (isNode(value) ? [value] : [])
