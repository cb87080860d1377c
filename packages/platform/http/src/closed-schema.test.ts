import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { verifyClosedSchema } from './closed-schema.ts'

const closed = { additionalProperties: false } as const
const at = { route: 'POST /x', part: 'body' }

describe('verifyClosedSchema', () => {
  const accepted: [string, unknown][] = [
    ['a closed object', Type.Object({ a: Type.String() }, closed)],
    ['a closed map', Type.Record(Type.String(), Type.Integer(), closed)],
    ['a list of closed objects', Type.Array(Type.Object({}, closed))],
    ['words and constants', Type.Union([Type.Literal('a'), Type.Enum(['b', 'c']), Type.Null()])],
    [
      'what is open by name',
      Type.Object({ policy: Type.Unknown({ 'x-open': 'parsed by parsePolicy' }) }, closed),
    ],
    ['a schema that nothing fits', false],
  ]
  for (const [title, schema] of accepted) {
    it(`accepts ${title}`, () => assert.equal(verifyClosedSchema(schema, at), schema))
  }

  const refused: [string, unknown, string][] = [
    ['an object that says nothing', Type.Object({}), '/'],
    ['an object that says true', Type.Object({}, { additionalProperties: true }), '/'],
    ['an object with a schema for the rest', Type.Object({}, { additionalProperties: Type.String() }), '/'],
    ['an open object in a list', Type.Array(Type.Object({})), '/items'],
    ['an open object in a union', Type.Union([Type.String(), Type.Object({})]), '/anyOf/1'],
    ['an open object in a property', Type.Object({ a: Type.Object({}) }, closed), '/properties/a'],
    [
      'an open object in a map',
      Type.Record(Type.String(), Type.Object({}), closed),
      '/patternProperties/^.*$',
    ],
    ['anything', Type.Object({ a: Type.Unknown() }, closed), '/properties/a'],
    ['true', true, '/'],
    ['a list of anything', { type: 'array' }, '/'],
    ['a tuple with an open object', Type.Tuple([Type.Object({})]), ''],
    ['an object among other types', { type: ['string', 'object'] }, '/'],
    ['a reference to elsewhere', { $ref: 'other.json' }, '/'],
    ['an open definition', { $ref: '#/$defs/a', $defs: { a: { type: 'object' } } }, '/$defs/a'],
    ['an empty reason', { 'x-open': '' }, '/'],
  ]
  for (const [title, schema, path] of refused) {
    it(`refuses ${title}`, () => {
      assert.throws(
        () => verifyClosedSchema(schema, at),
        (error: { code: string; details: { path: string } }) => {
          assert.equal(error.code, 'QIP_HTTP_SCHEMA_OPEN')
          if (path !== '') assert.equal(error.details.path, path)
          return true
        },
      )
    })
  }
})
