import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counting } from '../test/fixtures.ts'
import { formatReferenceToken, parseReferenceToken } from './reference-token.ts'

const text = formatReferenceToken({ keyId: 0xdeadbeef, handle: counting(16) })

test('is 33 characters of key ID and handle', () => {
  assert.equal(text, 'qipr1.3q2-7wABAgMEBQYHCAkKCwwNDg8')
  assert.deepEqual(parseReferenceToken(text), { form: 'reference', keyId: 0xdeadbeef, handle: counting(16) })
})

const malformed: readonly (readonly [title: string, text: string])[] = [
  ['another prefix', `qip1.${text.slice(6)}`],
  ['an upper-case prefix', `QIPR1.${text.slice(6)}`],
  ['a beginning', text.slice(0, -1)],
  ['one character more', `${text}A`],
  ['spare bits', `${text.slice(0, -1)}9`],
  ['padding', `${text.slice(0, -1)}=`],
  ['plain base64', text.replace('-', '+')],
  ['a space', `${text.slice(0, 10)} ${text.slice(11)}`],
]

for (const [title, wrong] of malformed) {
  test(`refuses ${title}`, () => {
    assert.throws(
      () => parseReferenceToken(wrong),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, 'QIP_TOKEN_MALFORMED')
        return !error.message.includes(wrong.slice(6, 16))
      },
    )
  })
}

test('refuses to write a handle of another size', () => {
  assert.throws(() => formatReferenceToken({ keyId: 1, handle: counting(15) }), TypeError)
  assert.throws(() => formatReferenceToken({ keyId: 2 ** 32, handle: counting(16) }))
})
