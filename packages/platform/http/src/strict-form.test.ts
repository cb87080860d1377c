import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { parseForm, parseFormBody } from './strict-form.ts'

const plain = (fields: object): object => ({ ...fields })

describe('parseForm', () => {
  const read: [string, object][] = [
    ['', {}],
    ['a=1&b=x+y%26', { a: '1', b: 'x y&' }],
    ['a', { a: '' }],
    ['a=1&a=2&a=3', { a: ['1', '2', '3'] }],
    ['a==', { a: '=' }],
    ['__proto__=x', JSON.parse('{"__proto__":"x"}')],
  ]
  for (const [text, fields] of read)
    it(`reads \`${text}\``, () => assert.deepEqual(plain(parseForm(text)), fields))

  for (const text of ['a=%', 'a=%zz', 'a=%ff', Array(101).fill('a=1').join('&')]) {
    it(`refuses \`${text.slice(0, 12)}\``, () =>
      assert.throws(() => parseForm(text), { code: 'QIP_HTTP_BODY_MALFORMED' }))
  }

  it('refuses a body that is not UTF-8', () => {
    assert.throws(() => parseFormBody(new Uint8Array([0x61, 0xff])), { code: 'QIP_HTTP_BODY_MALFORMED' })
  })

  it('reads what URLSearchParams writes', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' })),
        (fields) => {
          const text = new URLSearchParams(fields).toString()
          assert.deepEqual(plain(parseForm(text)), plain(fields))
        },
      ),
    )
  })
})
