import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isQipError, parseJson } from '@quantum-ip/base'
import { parseJsonBody } from './strict-json.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

const outcome = (parse: () => unknown): unknown => {
  try {
    return JSON.stringify(parse())
  } catch (error) {
    assert.ok(isQipError(error), String(error))
    return error.code
  }
}

describe('parseJsonBody', () => {
  const refused: [string, Uint8Array, string][] = [
    ['an empty body', bytes(''), 'QIP_HTTP_BODY_MALFORMED'],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'QIP_HTTP_BODY_MALFORMED'],
    ['an overlong encoding', new Uint8Array([0x22, 0xc0, 0x80, 0x22]), 'QIP_HTTP_BODY_MALFORMED'],
    ['a duplicate name', bytes('{"a":1,"a":2}'), 'QIP_BASE_JSON_MALFORMED'],
    ['a duplicate name spelled differently', bytes('{"a":1,"\\u0061":2}'), 'QIP_BASE_JSON_MALFORMED'],
    ['a duplicate name deep inside', bytes('{"x":[{"y":{"a":":","a":[]}}]}'), 'QIP_BASE_JSON_MALFORMED'],
    ['a duplicate `__proto__`', bytes('{"__proto__":1,"__proto__":2}'), 'QIP_BASE_JSON_MALFORMED'],
    ['a duplicate hidden behind an escaped quote', bytes('{"a\\"":1,"a\\"":2}'), 'QIP_BASE_JSON_MALFORMED'],
    ['a number that is no double', bytes('[1e400]'), 'QIP_BASE_JSON_MALFORMED'],
    ['an integer that is not safe', bytes('{"a":9007199254740993}'), 'QIP_BASE_JSON_MALFORMED'],
    ['a lone surrogate', bytes('["\\ud800"]'), 'QIP_BASE_JSON_MALFORMED'],
    ['a lone surrogate in a name', bytes('{"\\ud800":1}'), 'QIP_BASE_JSON_MALFORMED'],
    ['nesting of 34', bytes('['.repeat(34) + ']'.repeat(34)), 'QIP_BASE_JSON_MALFORMED'],
    ['nesting of a million', bytes('['.repeat(1_000_000)), 'QIP_BASE_JSON_MALFORMED'],
    [
      'a duplicate behind a string of many megabytes',
      bytes(`{"a":"${'x'.repeat(20_000_000)}","a":1}`),
      'QIP_BASE_JSON_MALFORMED',
    ],
    ['a trailing comma', bytes('[1,]'), 'QIP_BASE_JSON_MALFORMED'],
    ['something after the value', bytes('{} {}'), 'QIP_BASE_JSON_MALFORMED'],
  ]
  for (const [title, body, code] of refused) {
    it(`refuses ${title}`, () => assert.throws(() => parseJsonBody(body), { code }))
  }

  it('names the offset of a duplicate', () => {
    assert.throws(
      () => parseJsonBody(bytes('{"a":1,"a":2}')),
      (error) => isQipError(error) && (error.details as { offset: number }).offset === 7,
    )
  })

  it('reads colons, quotes and backslashes inside of strings as text', () => {
    const text = '{"a:b":":","c":"\\\\","d\\\\":"\\":\\"","é:":["::",{"e":"\\u003a"}]}'
    // Escaped names are read by the slow parser, whose objects have no prototype.
    assert.equal(JSON.stringify(parseJsonBody(bytes(text))), JSON.stringify(JSON.parse(text)))
  })

  it('does not take one escaped name for another (a fault of V8: nodejs/node#63785)', () => {
    parseJsonBody(bytes('[{"\\\\":1},{"\\\\":2}]'))
    assert.deepEqual(Object.keys(parseJsonBody(bytes('{"\\n":1}')) as object), ['\n'])
  })

  it('keeps `__proto__` a name like any other', () => {
    const value = parseJsonBody(bytes('{"__proto__":{"admin":true}}')) as { admin?: boolean }
    assert.equal(value.admin, undefined)
    assert.ok(Object.hasOwn(value, '__proto__'))
  })

  it('agrees with parseJson on values, and on texts one character away from one', () => {
    const mutated = fc
      .tuple(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.constantFrom('', '"', '\\', ':', ',', '{', '}', '0', 'a', ' '),
        fc.boolean(),
      )
      .map(([text, at, insert, cut]) => {
        const place = at % (text.length + 1)
        return text.slice(0, place) + insert + text.slice(place + (cut ? 1 : 0))
      })
    fc.assert(
      fc.property(mutated, (text) => {
        if (text === '') return
        assert.equal(
          outcome(() => parseJsonBody(bytes(text))),
          outcome(() => parseJson(text)),
        )
      }),
      { numRuns: 2_000 },
    )
  })

  it('agrees with parseJson where names repeat', () => {
    const name = fc.constantFrom('a', 'b', '\\u0061', 'a:', '\\"', '__proto__')
    const object = fc
      .array(fc.tuple(name, fc.constantFrom('1', '":"', '{"a":2}', '[{}]')), { maxLength: 4 })
      .map((pairs) => `{${pairs.map(([key, value]) => `"${key}":${value}`).join(', ')}}`)
    fc.assert(
      fc.property(object, (text) => {
        assert.equal(
          outcome(() => parseJsonBody(bytes(text))),
          outcome(() => parseJson(text)),
        )
      }),
      { numRuns: 1_000 },
    )
  })
})
