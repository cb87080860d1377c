import { test } from 'node:test'
import assert from 'node:assert/strict'
import { concatBytes, hex } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { hash, head } from '../test/acme.ts'
import { buildHead, chainHead, encodeHead, headChainStart, parseHead } from './head-record.ts'

test('a head is encoded as documented', () => {
  const bytes = encodeHead({
    origin: 'a.b/t',
    start: 1_024,
    end: 2 ** 48,
    hash: new Uint8Array(32).fill(7),
    exp: 1,
  })
  assert.equal(
    hex(bytes),
    [
      '0102',
      '00000005',
      '612e622f74',
      '0000000000000400',
      '0001000000000000',
      '07'.repeat(32),
      '0000000000000001',
    ].join(''),
  )
})

test('a head with another hash size is a mistake of the program', () => {
  assert.throws(() => encodeHead(head(0, 1, { hash: new Uint8Array(31) })), TypeError)
})

test('the chain hashes what was before and the head', () => {
  const first = chainHead(headChainStart, head(0, 4))
  assert.deepEqual(first, sha256(concatBytes(new Uint8Array(32), encodeHead(head(0, 4)))))
  assert.deepEqual(chainHead(first, head(4, 8)), sha256(concatBytes(first, encodeHead(head(4, 8)))))
})

test('every member changes the chain', () => {
  const changes = [{ origin: 'acme.example/x' }, { hash: hash('x') }, { exp: 1 }]
  const others = [head(0, 4), head(0, 3), head(4, 8), ...changes.map((change) => head(0, 4, change))]
  const chains = others.map((other) => hex(chainHead(headChainStart, other)))
  assert.equal(new Set(chains).size, others.length)
})

test('a head reads back as it was built', () => {
  assert.deepEqual(parseHead(buildHead(head(1_024, 2_048))), head(1_024, 2_048))
  assert.throws(() => parseHead(['', 0, 1, 'A'.repeat(43), 1]), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
})
