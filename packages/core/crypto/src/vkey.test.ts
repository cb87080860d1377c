import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64, hex, isQipError, u32be, utf8 } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { generatePrivateKey } from './private-key.ts'
import { sha256 } from './sha256.ts'
import { checkNoteName, formatVkey, noteKeyId, noteKeyTypes, noteVerifierKey, parseVkey } from './vkey.ts'

const malformed = { code: 'QIP_CRYPTO_VKEY_MALFORMED' }
const name = 'ledger.example/tokens/1'
const ed25519 = generatePrivateKey('Ed25519').publicKey
const mlDsa44 = generatePrivateKey('ML-DSA-44').publicKey

test('reads the verifier key that the note format gives as its example', () => {
  const text = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  const vkey = parseVkey(text)
  assert.deepEqual(
    [vkey.name, vkey.keyId, vkey.type, vkey.key.alg],
    ['PeterNeumann', 0xc74f20a3, 0x01, 'Ed25519'],
  )
  assert.equal(formatVkey(vkey), text)
})

test('every type goes out and in again, each with a key ID of its own', () => {
  const ids = new Set<number>()
  for (const [type, key] of [
    [noteKeyTypes.ed25519, ed25519],
    [noteKeyTypes.ed25519Cosignature, ed25519],
    [noteKeyTypes.mlDsa44, mlDsa44],
    [noteKeyTypes.subtreeEd25519, ed25519],
  ] as const) {
    const vkey = noteVerifierKey({ name, type, key })
    assert.deepEqual(parseVkey(formatVkey({ name, type, key })), vkey)
    ids.add(vkey.keyId)
  }
  assert.equal(ids.size, 4)
})

test('a key ID is the start of SHA-256 over name, newline, type and key', () => {
  const own = utf8('quantum-ip.dev/subtree-ed25519/v1')
  for (const [type, prefix, { bytes }] of [
    [noteKeyTypes.mlDsa44, [0x06], mlDsa44],
    [noteKeyTypes.subtreeEd25519, [0xff, ...own], ed25519],
  ] as const) {
    const digest = sha256(new Uint8Array([...utf8(`${name}\n`), ...prefix, ...bytes]))
    assert.equal(hex(u32be(noteKeyId({ name, type, bytes }))), hex(digest).slice(0, 8))
  }
})

test('refuses a key of another algorithm than the type has', () => {
  assert.throws(() => formatVkey({ name, type: noteKeyTypes.mlDsa44, key: ed25519 }), malformed)
  assert.throws(() => formatVkey({ name, type: noteKeyTypes.subtreeEd25519, key: mlDsa44 }), malformed)
})

const good = formatVkey({ name, type: noteKeyTypes.mlDsa44, key: mlDsa44 })
const [, id, material] = good.split(/\+(.{8})\+/) as [string, string, string]
const refused: readonly [string, string][] = [
  ['an empty text', ''],
  ['one without a key', `${name}+${id}`],
  ['one without a name', `+${id}+${material}`],
  ['another name, which has another key ID', `other+${id}+${material}`],
  ['a wrong key ID', `${name}+00000000+${material}`],
  ['an uppercase key ID', `${name}+${id.toUpperCase()}X+${material}`],
  ['a name with a space', `a b+${id}+${material}`],
  ['a name with a no-break space', `a\u00a0b+${id}+${material}`],
  ['a name with a newline', `a\nb+${id}+${material}`],
  ['base64 without padding', good.replace(/=+$/, '')],
  ['base64 with a newline', `${good}\n`],
  ['URL-safe base64', `${name}+${id}+${material.replaceAll('/', '_')}`],
  ['an unknown type', `${name}+${id}+${base64(new Uint8Array([2, ...mlDsa44.bytes]))}`],
  [
    'another private-use type',
    `${name}+${id}+${base64(new Uint8Array([0xff, ...utf8('other'), ...ed25519.bytes]))}`,
  ],
  ['a short key', `${name}+${id}+${base64(new Uint8Array([6, ...mlDsa44.bytes.subarray(1)]))}`],
  ['a long key', `${name}+${id}+${base64(new Uint8Array([6, ...mlDsa44.bytes, 0]))}`],
  ['no key bytes', `${name}+${id}+${base64(Uint8Array.of(1))}`],
  ['a text of 10 KB', `${name}+${id}+${'A'.repeat(10_000)}`],
]
for (const [what, text] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parseVkey(text), malformed)
  })
}

test('takes names of up to 255 bytes without white space and plus signs', () => {
  for (const fine of ['a', 'ledger.example/1', 'é', 'x'.repeat(255)]) checkNoteName(fine)
  for (const bad of [
    '',
    ' ',
    'a+b',
    'a\tb',
    'a\u2003b',
    'a\u0000b',
    '\ud800',
    'x'.repeat(256),
    'é'.repeat(128),
  ]) {
    assert.throws(() => checkNoteName(bad), malformed)
  }
})

test('mutated verifier keys are refused with a code, or are another well-formed key', () => {
  fc.assert(
    fc.property(fc.nat(good.length), fc.nat(3), fc.string({ maxLength: 4 }), (at, dropped, inserted) => {
      const mutated = good.slice(0, at) + inserted + good.slice(at + dropped)
      if (mutated === good) return
      try {
        assert.equal(formatVkey(parseVkey(mutated)), mutated)
        assert.fail('a mutation was accepted')
      } catch (error) {
        assert.ok(isQipError(error), String(error))
      }
    }),
    { numRuns: 500 },
  )
})
