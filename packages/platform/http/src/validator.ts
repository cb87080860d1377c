import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { HttpError } from './http-errors.ts'
import { formatPointer, isNode, type SchemaNode } from './lib/schema-tree.ts'
import { safeName } from './lib/safe-name.ts'
import { schemaFaults } from './lib/schema-fault.ts'

const parts: Record<string, string> = {
  querystring: 'query',
  params: 'path',
  headers: 'header',
  body: 'body',
}

/**
 * fastify's validator: TypeBox schemas compiled as they are. Nothing is removed, filled in or coerced, except
 * that query and path parameters, which are all text, become the number, boolean or list that the schema asks for.
 *
 * One engine checks requests and configuration, so that both tell a fault in the same words.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  const isText = httpPart === 'querystring' || httpPart === 'params'
  return (received: unknown) => {
    const value = isText ? readText(schema as SchemaNode, received) : received
    if (validator.Check(value)) return isText ? { value } : true
    const fault = schemaFaults(schema, value, validator.Errors(value))[0]
    const details = {
      part: parts[httpPart ?? 'body'] ?? 'request',
      path: formatPointer((fault?.path ?? []).map((name) => safeName(String(name)))),
      reason: fault?.reason ?? 'not as expected',
      ...(fault?.nearest === undefined ? {} : { nearest: fault.nearest }),
    }
    return { error: new HttpError('QIP_HTTP_REQUEST_INVALID', details) }
  }
}

// Coercion that has one reading only: `01`, `1.0`, `TRUE` and the empty text stay text, and are then refused.
function readText(schema: SchemaNode, received: unknown): unknown {
  const properties = schema['properties']
  if (!isNode(received) || !isNode(properties)) return received
  const value: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, text] of Object.entries(received)) {
    const expected = Object.hasOwn(properties, name) ? properties[name] : undefined
    value[name] = isNode(expected) ? readValue(expected, text) : text
  }
  return value
}

function readValue(schema: SchemaNode, text: unknown): unknown {
  if (schema['type'] === 'array') {
    const items = Array.isArray(text) ? text : [text]
    return isNode(schema['items'])
      ? items.map((item) => readValue(schema['items'] as SchemaNode, item))
      : items
  }
  if (typeof text !== 'string') return text
  if (schema['type'] === 'integer' || schema['type'] === 'number') return readNumber(text)
  if (schema['type'] === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

function readNumber(text: string): number | string {
  if (!/^-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/.test(text)) return text
  const value = Number(text)
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value)) ? value : text
}
