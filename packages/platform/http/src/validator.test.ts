import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type TSchema, Type } from 'typebox'
import { HttpError, type HttpErrorDetails } from './http-errors.ts'
import { validatorCompiler } from './validator.ts'

const closed = { additionalProperties: false } as const

type Invalid = HttpErrorDetails['QIP_HTTP_REQUEST_INVALID']

function check(schema: TSchema, httpPart: string, value: unknown): unknown {
  const validate = validatorCompiler({ schema, method: 'POST', url: '/', httpPart })
  return validate(value)
}

function faultOf(schema: TSchema, value: unknown, httpPart = 'body'): Invalid {
  const { error } = check(schema, httpPart, value) as { error: HttpError }
  assert.ok(error instanceof HttpError)
  assert.equal(error.code, 'QIP_HTTP_REQUEST_INVALID')
  return error.details as Invalid
}

const token = Type.Object(
  {
    audience: Type.Array(Type.String({ pattern: '^spiffe://', 'x-form': 'a service ID' }), {
      minItems: 1,
      maxItems: 2,
    }),
    ttlS: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600 })),
    form: Type.Optional(Type.Enum(['compact', 'standalone'])),
    shape: Type.Optional(Type.Union([Type.Literal('round'), Type.Literal('square')])),
    bind: Type.Optional(
      Type.Union([Type.String({ maxLength: 3 }), Type.Array(Type.Object({ kid: Type.String() }, closed))]),
    ),
  },
  closed,
)
const body = Type.Object(
  { tokens: Type.Array(token), labels: Type.Optional(Type.Record(Type.String(), Type.Integer(), closed)) },
  closed,
)
const good = { audience: ['spiffe://a/b'] }
const withToken = (more: object): object => ({ tokens: [good, { ...good, ...more }] })

describe('the validator', () => {
  it('accepts a body as it is', () => assert.equal(check(body, 'body', withToken({})), true))

  const faults: [string, unknown, Partial<Invalid>][] = [
    [
      'a misspelt member',
      { tokens: [{ audiance: ['x'] }] },
      { path: '/tokens/0/audiance', reason: 'unknown member `audiance`', nearest: 'audience' },
    ],
    ['a misspelt member at the top', { tokens: [], lables: {} }, { path: '/lables', nearest: 'labels' }],
    ['a member like no other', { tokens: [], q: 1 }, { path: '/q', reason: 'unknown member `q`' }],
    ['a name that is no name', { tokens: [], 'my secret!': 1 }, { path: '/(a name of 10 characters)' }],
    ['a missing member', { tokens: [{}] }, { path: '/tokens/0', reason: 'lacks `audience`' }],
    [
      'text for a number',
      withToken({ ttlS: '300' }),
      { path: '/tokens/1/ttlS', reason: 'expected an integer, found a string' },
    ],
    [
      'a fraction',
      withToken({ ttlS: 1.5 }),
      { path: '/tokens/1/ttlS', reason: 'expected an integer, found a number' },
    ],
    ['too little', withToken({ ttlS: 0 }), { path: '/tokens/1/ttlS', reason: 'must be >= 1' }],
    ['too much', withToken({ ttlS: 3_601 }), { path: '/tokens/1/ttlS', reason: 'must be <= 3600' }],
    [
      'a wrong word',
      withToken({ form: 'compakt' }),
      { path: '/tokens/1/form', reason: 'not one of `compact`, `standalone`', nearest: 'compact' },
    ],
    [
      'a wrong literal',
      withToken({ shape: 'squared' }),
      { path: '/tokens/1/shape', reason: 'not one of `round`, `square`', nearest: 'square' },
    ],
    [
      'a wrong form',
      withToken({ audience: ['https://a'] }),
      { path: '/tokens/1/audience/0', reason: 'not a service ID' },
    ],
    [
      'too few items',
      withToken({ audience: [] }),
      { path: '/tokens/1/audience', reason: 'must have at least 1 items' },
    ],
    [
      'too many items',
      withToken({ audience: ['a', 'b', 'c'] }),
      { path: '/tokens/1/audience', reason: 'must have at most 2 items' },
    ],
    [
      'no alternative',
      withToken({ bind: 3 }),
      { path: '/tokens/1/bind', reason: 'expected a string or a list, found a number' },
    ],
    [
      'the wrong text of an alternative',
      withToken({ bind: 'abcd' }),
      { path: '/tokens/1/bind', reason: 'must have at most 3 characters' },
    ],
    [
      'an unknown member in an alternative',
      withToken({ bind: [{ kd: 'x' }] }),
      { path: '/tokens/1/bind/0/kd', nearest: 'kid' },
    ],
    [
      'the wrong value of a map',
      { tokens: [], labels: { team: 'x' } },
      { path: '/labels/team', reason: 'expected an integer, found a string' },
    ],
    ['a list for a mapping', [], { path: '', reason: 'expected a mapping, found a list' }],
    ['nothing', null, { path: '', reason: 'expected a mapping, found null' }],
  ]
  for (const [title, value, expected] of faults) {
    it(`tells ${title}`, () => {
      const fault = faultOf(body, value)
      for (const [name, part] of Object.entries(expected)) assert.equal(fault[name as keyof Invalid], part)
    })
  }

  it('never quotes a value', () => {
    const secret = 'marked-secret-7f3a'
    for (const value of [
      { tokens: secret },
      withToken({ audience: [secret] }),
      withToken({ form: secret }),
      withToken({ ttlS: secret }),
    ]) {
      const { error } = check(body, 'body', value) as { error: HttpError }
      assert.ok(!JSON.stringify([error.message, error.next, error.details]).includes(secret))
    }
  })

  const query = Type.Object(
    {
      limit: Type.Optional(Type.Integer({ minimum: 1 })),
      ratio: Type.Optional(Type.Number()),
      deep: Type.Optional(Type.Boolean()),
      build: Type.Optional(Type.String()),
      kind: Type.Optional(Type.Array(Type.Integer())),
    },
    closed,
  )
  const read: [object, object][] = [
    [{ limit: '10' }, { limit: 10 }],
    [{ ratio: '0.25' }, { ratio: 0.25 }],
    [{ deep: 'true' }, { deep: true }],
    [{ build: '10' }, { build: '10' }],
    [{ kind: '1' }, { kind: [1] }],
    [{ kind: ['1', '2'] }, { kind: [1, 2] }],
  ]
  for (const [text, value] of read) {
    it(`reads the query ${JSON.stringify(text)}`, () => {
      const { value: found } = check(query, 'querystring', text) as { value: object }
      assert.deepEqual({ ...found }, value)
    })
  }

  const unread: object[] = [
    { limit: '' },
    { limit: '01' },
    { limit: '1.0' },
    { limit: '1e3' },
    { limit: '+1' },
    { limit: '0x10' },
    { limit: '9007199254740993' },
    { limit: ['1', '2'] },
    { deep: 'TRUE' },
    { deep: '1' },
    { ratio: 'NaN' },
    { build: ['a', 'b'] },
    { limits: '1' },
  ]
  for (const text of unread) {
    it(`refuses the query ${JSON.stringify(text)}`, () => {
      assert.equal(faultOf(query, text, 'querystring').part, 'query')
    })
  }

  it('coerces nothing in a body', () => {
    assert.equal(faultOf(query, { limit: '10' }).reason, 'expected an integer, found a string')
  })
})
