import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isQipError } from './errors.ts'
import { parseJson } from './json.ts'
import { limits } from './limits.ts'

const code = 'QIP_BASE_JSON_MALFORMED'
const { jsonDepthMax } = limits

const refused: [title: string, text: string, offset: number, reason: RegExp][] = [
  ['nothing', '', 0, /expected a value/],
  ['white space alone', ' \n', 2, /expected a value/],
  ['a byte order mark', '\ufeff{}', 0, /expected a value/],
  ['a space that only Unicode knows', '\u00a0{}', 0, /expected a value/],
  ['a line separator between', '{\u2028}', 1, /expected a string/],
  ['two values', '{} {}', 3, /follows/],
  ['a comma at the end of a list', '[1,]', 3, /expected a value/],
  ['a comma at the end of an object', '{"a":1,}', 7, /expected a string/],
  ['a comma before', '[,1]', 1, /expected a value/],
  ['a list without an end', '[1', 2, /expected `,` or `]`/],
  ['a list that ends as an object', '[1}', 2, /expected `,` or `]`/],
  ['an object without an end', '{"a":1', 6, /expected `,` or `}`/],
  ['no colon', '{"a" 1}', 5, /expected `:`/],
  ['a name without quotes', '{a:1}', 1, /expected a string/],
  ['a name that is a number', '{1:1}', 1, /expected a string/],
  ['single quotes', "{'a':1}", 1, /expected a string/],
  ['a comment', '{}//', 2, /follows/],
  ['a string without an end', '["abc', 1, /no end/],
  ['a string that ends in an escape', '"abc\\', 0, /no end/],
  ['a string whose quote is escaped', '"abc\\"', 0, /no end/],
  ['a string whose quote is escaped after an escaped backslash', '"\\\\\\"', 0, /no end/],
  ['an escape that there is not', '"\\x41"', 0, /escape/],
  ['a half of an escape', '["\\u12"]', 1, /escape/],
  ['an escaped line feed', '"\\\n"', 0, /escape/],
  ['a line feed in a string', '"a\nb"', 0, /control/],
  ['a NUL in a string', '"a\u0000b"', 0, /control/],
  ['a tab in a name', '{"a\tb":1}', 1, /control/],
  ['half a pair of surrogates, escaped', '["\\ud800"]', 1, /Unicode/],
  ['half a pair of surrogates', '["\udc00"]', 1, /Unicode/],
  ['a pair in the wrong order', '"\\udc00\\ud800"', 0, /Unicode/],
  ['half a pair in a name', '{"\\ud800":1}', 1, /Unicode/],
  ['a leading zero', '01', 1, /follows/],
  ['a sign without a number', '[-]', 1, /expected a value/],
  ['a plus', '+1', 0, /expected a value/],
  ['a point without digits', '1.', 1, /follows/],
  ['digits without a whole part', '.5', 0, /expected a value/],
  ['an exponent without digits', '1e', 1, /follows/],
  ['hexadecimal', '0x1', 1, /follows/],
  ['a number of another alphabet', '\u0661', 0, /expected a value/],
  ['NaN', 'NaN', 0, /expected a value/],
  ['Infinity', '[Infinity]', 1, /expected a value/],
  ['a number past the doubles', '[1,1e400]', 3, /range/],
  ['a negative number past the doubles', '-1e400', 0, /range/],
  ['the first integer that is not safe', '9007199254740992', 0, /range/],
  ['an integer that a double rounds', '[9007199254740993]', 1, /range/],
  ['an integer that is not safe, with an exponent', '1e16', 0, /range/],
  ['a negative integer that is not safe', '-9007199254740992', 0, /range/],
  ['a word that is cut', '[tru]', 1, /expected a value/],
  ['a word in capitals', 'True', 0, /expected a value/],
  ['a word that goes on', 'nullnull', 4, /follows/],
  ['undefined', 'undefined', 0, /expected a value/],
  ['a name twice', '{"a":1,"a":2}', 7, /twice/],
  ['a name twice, with equal values', '{"a":1,"b":2, "a":1}', 14, /twice/],
  ['a name twice, spelled differently', '{"a":1,"\\u0061":2}', 7, /twice/],
  ['a name twice, deep inside', '{"x":[{"y":{"a":":","a":[]}}]}', 20, /twice/],
  ['`__proto__` twice', '{"__proto__":1,"__proto__":2}', 15, /twice/],
  ['an empty name twice', '{"":1,"":2}', 6, /twice/],
  ['a name twice that looks like an index', '{"0":1,"0":2}', 7, /twice/],
]
for (const [title, text, offset, reason] of refused) {
  test(`refuses ${title}, and says where`, () => {
    assert.throws(
      () => parseJson(text),
      (error) => {
        assert.ok(isQipError(error, code), String(error))
        const details = error.details as { offset: number; reason: string }
        assert.match(details.reason, reason)
        assert.equal(details.offset, offset)
        return true
      },
    )
  })
}

const accepted: string[] = [
  ' { "a" : [ 1 , 2 ] } ',
  '\t\r\n[\n]\r',
  '"\\u0061\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t"',
  '"\\\\"',
  '["\\\\","\\"",""]',
  '"\u007f\u2028\u2029\ufeff😀"',
  '9007199254740991',
  '-9007199254740991',
  '[0,-0,1.5,-1.5e-3,1E5,1.0,5e-324,0.1]',
  '{"a":{"a":{"a":1}},"b":{"a":1}}',
  '{"10":1,"9":2,"a":3,"":4}',
  '{"constructor":1,"hasOwnProperty":2,"toString":3}',
  'true',
  'false',
  'null',
]
for (const text of accepted) {
  test(`reads ${JSON.stringify(text)} as JSON.parse does`, () => {
    assert.deepEqual(withPrototypes(parseJson(text)), JSON.parse(text))
  })
}

test('objects have no prototype: `__proto__` is a name like any other', () => {
  const value = parseJson('{"__proto__":{"admin":true},"a":{}}') as { admin?: boolean; a: object }
  assert.equal(value.admin, undefined)
  assert.equal(Object.getPrototypeOf(value), null)
  assert.equal(Object.getPrototypeOf(value.a), null)
  assert.deepEqual(Object.keys(value), ['__proto__', 'a'])
})

const nested = (depth: number, open: string, close: string): string =>
  open.repeat(depth) + '1' + close.repeat(depth)

test(`a value lies in at most ${jsonDepthMax} others`, () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
    ['[ {"a" : ', '} ]'],
  ] as const) {
    const each = open.includes('[ {') ? 2 : 1
    assert.doesNotThrow(() => parseJson(nested(jsonDepthMax / each, open, close)))
    assert.throws(() => parseJson(nested(jsonDepthMax / each + 1, open, close)), {
      code,
      message: /deeper than 32/,
    })
    assert.throws(() => parseJson(open.repeat(1_000_000)), { code, message: /deeper than 32/ })
  }
})

// Expressions with alternatives gave up on these with a RangeError of the runtime.
const size = 20_000_000
const long: Record<string, [text: string, length: number | RegExp]> = {
  'a string of letters': [`"${'a'.repeat(size)}"`, size],
  'a string of escapes': [`"${'\\n'.repeat(size / 2)}"`, size / 2],
  'a string of escaped quotes': [`"${'\\"'.repeat(size / 4)}"`, size / 4],
  'a string of two-byte letters': [`"${'é'.repeat(size / 2)}"`, size / 2],
  'a string with a control character at its end': [`"${'a'.repeat(size)}\n"`, /control/],
  'a string without an end': [`"${'a\\"'.repeat(size / 4)}`, /no end/],
  'a string of backslashes without an end': [`"${'\\'.repeat(size + 1)}`, /no end/],
  'a name twice behind a long string': [`{"a":"${'x'.repeat(size)}","a":1}`, /twice/],
  digits: ['1'.repeat(size), /range/],
  'white space': [' '.repeat(size), /expected a value/],
}
for (const [title, [text, outcome]] of Object.entries(long)) {
  test(`comes to an end with ${title}, many megabytes long`, () => {
    if (typeof outcome === 'number') assert.equal((parseJson(text) as string).length, outcome)
    else assert.throws(() => parseJson(text), { code, message: outcome })
  })
}

/** The same value with the prototypes that JSON.parse gives. */
function withPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withPrototypes)
  if (typeof value !== 'object' || value === null) return value
  const object = {}
  for (const [name, member] of Object.entries(value)) {
    Object.defineProperty(object, name, {
      value: withPrototypes(member),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return object
}

/** Why a text that JSON.parse reads is refused all the same, found without our parser. */
function isNarrower(text: string, value: unknown): boolean {
  const found = { members: 0, odd: false }
  survey(value, 0, found)
  // One colon outside of strings for each member; names that occur twice leave fewer members.
  const colons = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1
  return found.odd || colons !== found.members
}

function survey(value: unknown, depth: number, found: { members: number; odd: boolean }): void {
  if (depth > jsonDepthMax) found.odd = true
  if (typeof value === 'string' && !value.isWellFormed()) found.odd = true
  if (
    typeof value === 'number' &&
    (!Number.isFinite(value) || Math.abs(Number.isInteger(value) ? value : 0) > Number.MAX_SAFE_INTEGER)
  ) {
    found.odd = true
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) {
    if (!Array.isArray(value)) found.members++
    if (!name.isWellFormed()) found.odd = true
    survey(member, depth + 1, found)
  }
}

// V8 up to 14.6 at least reads the name `"\n"` as a backslash once it has seen an object of the same shape with that
// name (nodejs/node#63785). What it reads wrongly always has a backslash in it.
function mayBeMisread(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, member]) => name.includes('\\') || mayBeMisread(member))
}

test('reads an escaped name as it stands, also where JSON.parse does not', () => {
  for (let i = 0; i < 3; i++) JSON.parse('{"b":"","a":"","\\\\":""}')
  for (let i = 0; i < 3; i++) parseJson('{"b":"","a":"","\\\\":""}')
  assert.deepEqual(Object.keys(parseJson('{"b":"","a":"","\\n":""}') as object), ['b', 'a', '\n'])
  const entries = Object.entries(parseJson('{"\\\\":"\\"","\\"":"\\\\","\\u0061\\t":"/"}') as object)
  assert.deepEqual(entries, [
    ['\\', '"'],
    ['"', '\\'],
    ['a\t', '/'],
  ])
})

type Outcome = 'read' | 'narrower' | 'malformed' | 'misread'

function checkAgainstEngine(text: string): Outcome {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    assert.throws(() => parseJson(text), { code }, JSON.stringify(text))
    return 'malformed'
  }
  if (mayBeMisread(value)) return 'misread'
  if (isNarrower(text, value)) {
    assert.throws(() => parseJson(text), { code }, JSON.stringify(text))
    return 'narrower'
  }
  assert.deepEqual(withPrototypes(parseJson(text)), value)
  return 'read'
}

const outcomesOf = (texts: fc.Arbitrary<string>, numRuns: number): ReadonlySet<Outcome> => {
  const outcomes = new Set<Outcome>()
  fc.assert(
    fc.property(texts, (text) => void outcomes.add(checkAgainstEngine(text))),
    { numRuns },
  )
  return outcomes
}

test('agrees with JSON.parse on values of every kind, written in every way', () => {
  const space = fc.constantFrom('', '', ' ', '\n', '\t', '\r\n  ')
  const letter = fc.oneof(
    fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 1 })
      .map((text) => JSON.stringify(text).slice(1, -1)),
    fc.constantFrom(
      '\\n',
      '\\"',
      '\\\\',
      '\\/',
      '\\u0041',
      '\\ud83d\\ude00',
      '\\ud800',
      '\u007f',
      ':',
      '{',
      ',',
    ),
  )
  const string = fc.array(letter, { maxLength: 5 }).map((letters) => `"${letters.join('')}"`)
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.maxSafeInteger().map(String),
    fc.constantFrom(
      '-0',
      '1e3',
      '1E-3',
      '1e400',
      '9007199254740993',
      '0.30000000000000004',
      '2e15',
      '1e-400',
    ),
  )
  const { json } = fc.letrec<{ json: string }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      string,
      number,
      fc.constantFrom('true', 'false', 'null', '""', '{}', '[]'),
      fc
        .tuple(space, fc.array(tie('json'), { maxLength: 4 }))
        .map(([gap, items]) => `[${gap}${items.join(`${gap},`)}${gap}]`),
      fc
        .tuple(
          space,
          fc.array(fc.tuple(fc.oneof(string, fc.constantFrom('"a"', '"b"')), tie('json')), { maxLength: 4 }),
        )
        .map(
          ([gap, members]) =>
            `{${members.map(([name, value]) => `${gap}${name}${gap}:${gap}${value}`).join(',')}${gap}}`,
        ),
    ),
  }))
  const outcomes = outcomesOf(json, 3_000)
  assert.ok(outcomes.has('narrower') && outcomes.has('read'))
  assert.ok(!outcomes.has('malformed'))
})

test('agrees with JSON.parse on texts that are one or two characters away from JSON', () => {
  const edit = fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:\\ntu0e+-.1 \n\u0000é'.split('')), fc.nat(2))
  const mutated = fc
    .tuple(fc.json({ maxDepth: 4 }), fc.array(edit, { minLength: 1, maxLength: 2 }))
    .map(([text, edits]) => {
      let edited = text
      for (const [at, insert, cut] of edits) {
        const place = at % (edited.length + 1)
        edited = edited.slice(0, place) + insert + edited.slice(place + cut)
      }
      return edited
    })
  assert.ok(outcomesOf(mutated, 5_000).has('malformed'))
})

test('agrees with JSON.parse on anything made of what JSON is made of', () => {
  const soup = fc
    .array(fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"', '\\', '1', '-', '.', 'e', 'true', ' '), {
      maxLength: 6,
    })
    .map((parts) => parts.join(''))
  const outcomes = outcomesOf(soup, 5_000)
  assert.ok(outcomes.has('malformed') && outcomes.has('read'))
})

test('what it reads it reads again after JSON.stringify, unchanged', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4, noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value)
      if (checkAgainstEngine(text) !== 'read') return
      assert.equal(JSON.stringify(parseJson(text)), text)
    }),
  )
})
