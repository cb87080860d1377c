import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { stringify } from 'yaml'
import { HttpError, type HttpErrorDetails } from '../http-errors.ts'
import { readYaml } from './read-yaml.ts'

const source = 'policy.yaml'
type Malformed = HttpErrorDetails['QIP_HTTP_YAML_MALFORMED']

function faultOf(text: string): Malformed & { readonly message: string } {
  try {
    readYaml(text, { source })
  } catch (error) {
    assert.ok(error instanceof HttpError, String(error))
    assert.equal(error.code, 'QIP_HTTP_YAML_MALFORMED')
    return { ...(error.details as Malformed), message: error.message }
  }
  return assert.fail('nothing was thrown')
}

describe('readYaml', () => {
  const read: [string, unknown][] = [
    ['', null],
    ['# nothing', null],
    ['---\na: 1\n...\n', { a: 1 }],
    ['a: [x, {b: true}]', { a: ['x', { b: true }] }],
    ['on: off\nyes: no', { on: 'off', yes: 'no' }],
    ['a: ~\nb:\nc: null', { a: null, b: null, c: null }],
    ['a: 2026-01-01', { a: '2026-01-01' }],
    ['a: 0x1F\nb: 0o17\nc: 1.5', { a: 31, b: 15, c: 1.5 }],
    ['"0600"', '0600'],
    ['a: |\n  x\n  y\n', { a: 'x\ny\n' }],
    ['1: x', { 1: 'x' }],
    ['<<: {a: 1}', { '<<': { a: 1 } }],
  ]
  for (const [text, value] of read) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(JSON.parse(JSON.stringify(readYaml(text, { source }).value)), value)
    })
  }

  const refused: [string, string, number, number, RegExp][] = [
    ['a duplicate key', 'a: 1\nb:\n  c: 1\n  c: 2', 4, 3, /a key occurs twice/],
    ['a duplicate key in another spelling', 'a: 1\n"a": 2', 2, 1, /a key occurs twice/],
    ['an anchor', 'a: &x 1', 1, 4, /an anchor/],
    ['an alias', 'a: *x', 1, 4, /an alias/],
    ['a tag', 'a: !!binary aGk=', 1, 4, /a tag/],
    ['an unknown tag', 'a:\n  - !ref x', 2, 5, /a tag/],
    ['a directive', '%YAML 1.1\n---\na: 1', 1, 1, /a directive/],
    ['a second document', 'a: 1\n---\nb: 2', 2, 1, /second document/],
    ['a key that is a list', '? [a]\n: b', 1, 3, /a key is not text/],
    ['an empty key', ': x', 1, 1, /a key is not text/],
    ['a leading zero', 'mode: 0600', 1, 7, /leading zero/],
    ['infinity', 'a: .inf', 1, 4, /out of range/],
    ['a number that is no double', 'a: 1e999', 1, 4, /out of range/],
    ['an integer that is not safe', 'a: 9007199254740993', 1, 4, /out of range/],
    ['a lone surrogate', 'a: "\\ud800"', 1, 4, /well-formed/],
    ['a control character', 'a: 1\nb: \u0007', 2, 4, /control character/],
    ['a tab as indentation', 'a:\n\tb: 1', 2, 1, /tab/],
    ['an unfinished bracket', 'a: [1, 2\nb: 3', 1, 4, /never closed/],
    ['an unfinished brace', 'a: 1\nb: { c: [1]\nd: 2', 2, 4, /never closed/],
    ['two values on a line', 'a: b: c', 1, 4, /same line/],
    ['a line without a colon', 'key\nother: 1', 1, 1, /a colon may be missing/],
    ['deep brackets', `a: ${'['.repeat(40)}${']'.repeat(40)}`, 1, 36, /deeper than 32/],
  ]
  for (const [title, text, line, column, reason] of refused) {
    it(`refuses ${title}`, () => {
      const fault = faultOf(text)
      assert.match(fault.reason, reason)
      assert.deepEqual([fault.line, fault.column], [line, column])
      assert.ok(fault.message.startsWith(`\`policy.yaml\` line ${line}, column ${column}: `))
    })
  }

  it('refuses nesting that would exhaust the stack', () => {
    for (const text of ['['.repeat(20_000), '- '.repeat(20_000), '{a: '.repeat(10_000)]) {
      assert.match(faultOf(text).reason, /nested/)
    }
  })

  it('refuses a text that is too large', () => {
    assert.throws(() => readYaml('a: 1 # '.padEnd(100, 'x'), { source, sizeMax: 99 }), {
      code: 'QIP_HTTP_YAML_MALFORMED',
    })
  })

  it('reads many keys in linear time', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n')
    assert.equal(Object.keys(readYaml(text, { source }).value as object).length, 20_000)
  })

  it('locates members at their keys, items at their values, and what is missing at its nearest parent', () => {
    const yaml = readYaml('a: 1\nb:\n  - x\n  - c: 2\n    d: [1, 2]\n', { source })
    const places: [(string | number)[], [number, number]][] = [
      [[], [1, 1]],
      [['a'], [1, 1]],
      [['b'], [2, 1]],
      [
        ['b', 0],
        [3, 5],
      ],
      [
        ['b', 1, 'c'],
        [4, 5],
      ],
      [
        ['b', 1, 'd', 1],
        [5, 12],
      ],
      [
        ['b', 1, 'missing', 'deeper'],
        [4, 5],
      ],
      [['missing'], [1, 1]],
    ]
    for (const [path, [line, column]] of places) assert.deepEqual(yaml.locate(path), { line, column })
  })

  it('shows the key of the offending line and none of its values', () => {
    assert.equal(faultOf('store:\n  url: postgres://u:hunter2@h\n  url: 2').excerpt, 'url: …')
    assert.equal(faultOf('a:\n  password: hunter2\n password: hunter3').excerpt, 'password: …')
    assert.equal(faultOf('a: |\n  -----BEGIN KEY-----\n hunter2').excerpt, '')
    for (const text of [
      'p: "hunter2\\q"',
      'p: [hunter2',
      'p: hunter2: x',
      '- hunter2\nhunter2: [',
      '!hunter2 x',
      '*hunter2',
    ]) {
      const { message, excerpt } = faultOf(text)
      assert.ok(!(message + excerpt).replaceAll('hunter2: ', '').includes('hunter2'), message)
    }
  })

  it('reads what another writer writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }), (value) => {
        const text = stringify(value, { version: '1.2', aliasDuplicateObjects: false })
        let found: unknown
        try {
          found = readYaml(text, { source }).value
        } catch (error) {
          // Empty keys, control characters and huge integers are YAML, but not ours.
          assert.equal((error as HttpError).code, 'QIP_HTTP_YAML_MALFORMED')
          return
        }
        assert.equal(JSON.stringify(found), JSON.stringify(value))
      }),
      { numRuns: 300 },
    )
  })

  it('answers every mutated text with a value or a coded error', () => {
    const text = 'a: &x [1, "b", {c: !t d}]\nb: |\n  text\n? k\n: *x\n---\n%YAML 1.2\n<<: {e: 0600}\n'
    const mutated = fc.array(
      fc.tuple(fc.nat(text.length), fc.nat(4), fc.string({ maxLength: 4, unit: 'binary' })),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(mutated, (edits) => {
        let now = text
        for (const [at, cut, insert] of edits) now = now.slice(0, at) + insert + now.slice(at + cut)
        try {
          readYaml(now, { source })
        } catch (error) {
          assert.equal((error as HttpError).code, 'QIP_HTTP_YAML_MALFORMED', String((error as Error).stack))
        }
      }),
      { numRuns: 500 },
    )
  })
})
