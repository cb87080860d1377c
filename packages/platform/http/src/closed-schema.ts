import { HttpError } from './http-errors.ts'
import { formatPointer, isNode, type Path, type SchemaNode } from './lib/schema-tree.ts'

/** Keyword by which a schema says that it is open on purpose, with the reason as value: `{ 'x-open': 'parsed by parsePolicy' }`. */
export const openKeyword = 'x-open'

/**
 * Checks that a schema lets no unknown member through, anywhere, and returns it.
 *
 * Every object says `additionalProperties: false`, and every value has a type; what is open on purpose says so by
 * `x-open` and why. A misspelt member is then an error and never silently ignored.
 *
 * @throws {HttpError} `QIP_HTTP_SCHEMA_OPEN` with the path of the first open object.
 */
export function verifyClosedSchema<S>(schema: S, at: { readonly route: string; readonly part: string }): S {
  const path = openPlace(schema, [])
  if (path === undefined) return schema
  throw new HttpError('QIP_HTTP_SCHEMA_OPEN', { ...at, path: path.length === 0 ? '/' : formatPointer(path) })
}

const listsOfSchemas = ['anyOf', 'oneOf', 'allOf', 'prefixItems'] as const
const mapsOfSchemas = ['properties', 'patternProperties', '$defs', 'definitions'] as const
const telling = ['type', 'enum', 'const', '$ref', ...listsOfSchemas] as const

function openPlace(schema: unknown, path: Path): Path | undefined {
  if (schema === false) return undefined
  if (!isNode(schema)) return path
  if (typeof schema[openKeyword] === 'string' && schema[openKeyword] !== '') return undefined
  if (!telling.some((keyword) => keyword in schema)) return path
  // A reference leads into this schema's own definitions, which are walked where they stand; elsewhere nobody has looked.
  if (typeof schema['$ref'] === 'string' && !schema['$ref'].startsWith('#')) return path
  if (mayBe(schema, 'object') && schema['additionalProperties'] !== false) return path
  if (mayBe(schema, 'array') && !('items' in schema) && !('prefixItems' in schema)) return path
  return openChild(schema, path)
}

function openChild(schema: SchemaNode, path: Path): Path | undefined {
  for (const [keyword, child] of children(schema)) {
    const open = openPlace(child, [...path, ...keyword])
    if (open !== undefined) return open
  }
  return undefined
}

function* children(schema: SchemaNode): Generator<readonly [Path, unknown]> {
  if ('items' in schema) yield [['items'], schema['items']]
  for (const keyword of listsOfSchemas) {
    const list = schema[keyword]
    if (Array.isArray(list)) for (const [index, child] of list.entries()) yield [[keyword, index], child]
  }
  for (const keyword of mapsOfSchemas) {
    const map = schema[keyword]
    if (isNode(map)) for (const [name, child] of Object.entries(map)) yield [[keyword, name], child]
  }
}

function mayBe(schema: SchemaNode, type: 'object' | 'array'): boolean {
  const types = schema['type']
  return types === type || (Array.isArray(types) && types.includes(type))
}
