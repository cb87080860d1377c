import { nearest } from '@quantum-ip/base'
import type { TLocalizedValidationError } from 'typebox/error'
import { at, kindOf, type Path, type SchemaNode, schemasAt } from './schema-tree.ts'

/** Where an error was found. */
export interface Place {
  readonly schema: SchemaNode
  readonly value: unknown
  readonly path: Path
}

/** An error in words. */
export interface Reason {
  readonly reason: string
  readonly nearest?: string | undefined
}

type Params = Readonly<Record<string, unknown>>

/** Why a value does not fit, in words that never quote the value. */
export function reasonOf(error: TLocalizedValidationError, place: Place): Reason {
  const describe = reasons[error.keyword]
  return describe === undefined
    ? { reason: `does not hold: ${error.keyword.replace('~', '')}` }
    : describe(error.params, place)
}

const compared = ({ comparison, limit }: Params): Reason => ({
  reason: `must be ${String(comparison)} ${String(limit)}`,
})
const counted =
  (side: string, what: string) =>
  ({ limit }: Params): Reason => ({ reason: `must have ${side} ${String(limit)} ${what}` })

const reasons: { readonly [keyword: string]: (params: Params, place: Place) => Reason } = {
  required: ({ requiredProperties: names }) => ({ reason: `lacks ${quoted(names)}` }),
  type: ({ type }, place) => ({
    reason: `expected ${formAt(place) ?? kinds(type)}, found ${kindAt(place)}`,
  }),
  enum: ({ allowedValues }, place) => oneOf(allowedValues, place),
  const: (_params, place) => oneOf(constantsAt(place), place),
  anyOf: (_params, place) => ({ reason: `expected ${kinds(typesAt(place))}, found ${kindAt(place)}` }),
  pattern: (_params, place) => ({ reason: `not ${formAt(place) ?? 'of the expected form'}` }),
  uniqueItems: () => ({ reason: 'an item occurs twice' }),
  minimum: compared,
  maximum: compared,
  exclusiveMinimum: compared,
  exclusiveMaximum: compared,
  minLength: counted('at least', 'characters'),
  maxLength: counted('at most', 'characters'),
  minItems: counted('at least', 'items'),
  maxItems: counted('at most', 'items'),
}

const kindAt = ({ value, path }: Place): string => kindOf(at(value, path))

function quoted(names: unknown): string {
  return (Array.isArray(names) ? names : []).map((name) => `\`${String(name)}\``).join(', ')
}

// What a pattern means is told by the schema, in words; the expression itself helps nobody.
function formAt({ schema, path }: Place): string | undefined {
  for (const { 'x-form': form } of schemasAt(schema, path)) if (typeof form === 'string') return form
  return undefined
}

function constantsAt({ schema, path }: Place): readonly unknown[] {
  return schemasAt(schema, path).flatMap((found) => ('const' in found ? [found['const']] : []))
}

function typesAt({ schema, path }: Place): readonly unknown[] {
  return [...new Set(schemasAt(schema, path).map(({ type }) => type ?? 'string'))]
}

function oneOf(allowed: unknown, { value, path }: Place): Reason {
  const words = Array.isArray(allowed) ? allowed.map(String) : []
  const found = at(value, path)
  const near = typeof found === 'string' ? nearest(found, words) : undefined
  return { reason: `not one of ${words.map((word) => `\`${word}\``).join(', ')}`, nearest: near }
}

const kindNames: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
}

function kinds(type: unknown): string {
  const types = Array.isArray(type) ? type : [type]
  return types.map((kind) => kindNames[String(kind)] ?? String(kind)).join(' or ')
}
