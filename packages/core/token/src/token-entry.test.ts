import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import { leafHash } from '@quantum-ip/log'
import { counting, plainClaims } from '../test/fixtures.ts'
import { encodeClaims } from './claims-cbor.ts'
import {
  claimsLeafHash,
  nullEntry,
  parseTokenEntry,
  tokenDigest,
  tokenEntry,
  tokenLeafHash,
} from './token-entry.ts'

const digest = counting(32)

test('is 38 bytes: version, type, expiry, digest', () => {
  const tail = '6ab13b80000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
  assert.equal(hex(tokenEntry({ exp: 1_790_000_000, digest })), `0101${tail}`)
  assert.equal(hex(tokenEntry({ form: 'jwt', exp: 1_790_000_000, digest })), `0102${tail}`)
  assert.equal(hex(tokenEntry({ exp: 0xffff_ffff, digest })).slice(4, 12), 'ffffffff')
  assert.equal(hex(nullEntry()), '0100')
})

test('parses back', () => {
  for (const form of ['merkle', 'jwt'] as const) {
    const shifted = new Uint8Array([9, 9, ...tokenEntry({ form, exp: 2 ** 31 + 5, digest })]).subarray(2)
    assert.deepEqual(parseTokenEntry(shifted), { form, exp: 2 ** 31 + 5, digest })
  }
  assert.equal(parseTokenEntry(nullEntry()), undefined)
})

test('has the leaf hash that the log computes', () => {
  const claimsBytes = encodeClaims(plainClaims)
  const entry = { exp: plainClaims.exp, digest: tokenDigest(claimsBytes) }
  const expected = leafHash(tokenEntry(entry))
  assert.deepEqual(tokenLeafHash({ ...entry, form: 'jwt' }), leafHash(tokenEntry({ ...entry, form: 'jwt' })))
  assert.deepEqual(tokenLeafHash(entry), expected)
  assert.deepEqual(claimsLeafHash(claimsBytes, plainClaims.exp), expected)
})

const malformed: readonly (readonly [title: string, bytes: Uint8Array])[] = [
  ['nothing', new Uint8Array(0)],
  ['another version', Uint8Array.of(2, 1, ...new Uint8Array(36))],
  ['another type', Uint8Array.of(1, 3, ...new Uint8Array(36))],
  ['an attestation', Uint8Array.of(1, 0x10, ...new Uint8Array(104))],
  ['37 bytes', Uint8Array.of(1, 1, ...new Uint8Array(35))],
  ['a long null entry', Uint8Array.of(1, 0, 0)],
]

for (const [title, bytes] of malformed) {
  test(`refuses ${title}`, () =>
    assert.throws(() => parseTokenEntry(bytes), { code: 'QIP_TOKEN_ENTRY_MALFORMED' }))
}

test('refuses to make an entry of what is none', () => {
  assert.throws(() => tokenEntry({ exp: 2 ** 32, digest }), TypeError)
  assert.throws(() => tokenEntry({ exp: 1.5, digest }), TypeError)
  assert.throws(() => tokenLeafHash({ exp: 1, digest: counting(31) }), TypeError)
})
