import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redact } from './redact.ts'

test('takes tokens, proofs and credentials out of text that came from elsewhere', () => {
  const secrets = [
    `qip1.${'a'.repeat(60)}`,
    `qipr1.${'a'.repeat(27)}`,
    `qipj1.${'a'.repeat(43)}`,
    'eyJhbGciOiJNTC1EU0EtNDQifQ.eyJzdWIiOiJhYWEifQ.aaaa',
    `QIP-Session id="aaa", t=1, mac="${'a'.repeat(43)}"`,
    'Bearer aaaa',
    'basic YWFhOmFhYQ==',
  ]
  for (const secret of secrets) {
    const shown = redact(`the token ${secret}`)
    assert.equal(shown, 'the token [redacted]', secret)
  }
})

test('leaves digests, thumbprints and service IDs as they are', () => {
  const text = `build ${'ab'.repeat(32)} of spiffe://acme.example/ns/prod/sa/shop, key ${'k'.repeat(43)}`
  assert.equal(redact(text), text)
})

test('makes one line of it, and a short one', () => {
  assert.equal(redact('a\r\nb\u2028c\0d'), 'a b c d')
  assert.equal(redact('x'.repeat(2_000)).length, 513)
})
