import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import * as cborg from 'cborg'
import { counting, mutations, someHead } from '../test/fixtures.ts'
import { formatStaple, parseStaple, readStaple, type StapledHead } from './staple.ts'
import { TokenRefusal } from './token-refusal.ts'

const other: StapledHead = {
  ...someHead,
  start: 0,
  end: 1,
  sigs: [{ keyId: 2 ** 32 - 1, signature: counting(64) }],
}
const one = formatStaple([someHead])
const bytesOf = (text: string) => Buffer.from(text, 'base64url')

test('parses what it wrote', () => {
  assert.deepEqual(parseStaple(one), [someHead])
  assert.deepEqual(parseStaple(formatStaple([someHead, other])), [someHead, other])
  assert.match(one, /^[A-Za-z0-9_-]+$/)
})

test('writes what a second engine reads, and reads what it writes', () => {
  const array = cborg.decode(bytesOf(one), { strict: true }) as unknown[][]
  assert.deepEqual(array[0]?.slice(0, 3), [someHead.origin, someHead.start, someHead.end])
  assert.equal(hex(array[0]?.[3] as Uint8Array), hex(someHead.hash))
  const sigs = someHead.sigs.map(({ keyId, signature }) => Uint8Array.from([0, 0, 0, keyId, ...signature]))
  const again = [[someHead.origin, someHead.start, someHead.end, someHead.hash, sigs]]
  assert.equal(Buffer.from(cborg.encode(again, cborg.rfc8949EncodeOptions)).toString('base64url'), one)
})

test('fits two heads with hybrid signatures into a header field', () => {
  const hybrid = { ...someHead, origin: 'a'.repeat(255) }
  const text = formatStaple([hybrid, hybrid])
  assert.ok(text.length <= 8_000)
  assert.equal(parseStaple(text).length, 2)
})

const malformed: readonly (readonly [title: string, text: string])[] = [
  ['nothing', ''],
  ['padding', `${one}=`],
  ['white space', ` ${one}`],
  ['two fields joined', `${one}, ${one}`],
  ['plain base64', one.replaceAll('-', '+').replaceAll('_', '/')],
  ['a beginning', one.slice(0, -4)],
  ['something behind', Buffer.concat([bytesOf(one), Buffer.of(0)]).toString('base64url')],
  ['more than 8,000 characters', 'A'.repeat(8_001)],
  ['64 KB', 'A'.repeat(65_536)],
  ['no head', written([])],
  ['three heads', written([0, 1, 2].map(() => ['a/1', 0, 1, counting(32), [new Uint8Array(68)]]))],
  ['a head of four items', written([['a/1', 0, 1, counting(32)]])],
  ['an empty origin', written([['', 0, 1, counting(32), [new Uint8Array(68)]]])],
  ['an origin of 256 bytes', written([['a'.repeat(256), 0, 1, counting(32), [new Uint8Array(68)]]])],
  ['an origin with a space', written([['a b', 0, 1, counting(32), [new Uint8Array(68)]]])],
  ['an origin with a line break', written([['a\n', 0, 1, counting(32), [new Uint8Array(68)]]])],
  ['an origin beyond ASCII', written([['ä', 0, 1, counting(32), [new Uint8Array(68)]]])],
  ['an invalid subtree', written([['a/1', 1, 3, counting(32), [new Uint8Array(68)]]])],
  ['an empty subtree', written([['a/1', 1, 1, counting(32), [new Uint8Array(68)]]])],
  ['a hash of 31 bytes', written([['a/1', 0, 1, counting(31), [new Uint8Array(68)]]])],
  ['no signature', written([['a/1', 0, 1, counting(32), []]])],
  ['a signature of another size', written([['a/1', 0, 1, counting(32), [new Uint8Array(69)]]])],
  [
    'two signatures of one key',
    written([['a/1', 0, 1, counting(32), [new Uint8Array(68), new Uint8Array(68)]]]),
  ],
]

function written(heads: unknown): string {
  return Buffer.from(cborg.encode(heads, cborg.rfc8949EncodeOptions)).toString('base64url')
}

for (const [title, text] of malformed) {
  test(`refuses ${title}`, () =>
    assert.throws(() => parseStaple(text), { code: 'QIP_TOKEN_STAPLE_MALFORMED' }))
}

test('refuses to write what it would not read', () => {
  assert.throws(() => formatStaple([]), TypeError)
  assert.throws(() => formatStaple([other, other, other]), TypeError)
  for (const wrong of [
    { origin: '' },
    { origin: 'a'.repeat(100_000) },
    { hash: counting(31) },
    { end: 2 ** 49 },
    { sigs: [] },
  ]) {
    assert.throws(() => formatStaple([{ ...someHead, ...wrong }]), TypeError)
  }
  const four = Array.from({ length: 4 }, (_, keyId) => ({ keyId, signature: counting(2_420) }))
  assert.throws(() => formatStaple([{ ...someHead, sigs: four }]), { code: 'QIP_TOKEN_TOO_LONG' })
  assert.throws(
    () =>
      formatStaple([
        { ...someHead, sigs: four },
        { ...someHead, sigs: four },
      ]),
    { code: 'QIP_TOKEN_TOO_LONG' },
  )
})

test('never crashes on a damaged staple, nor reads it as something that is written differently', () => {
  let read = 0
  for (const damaged of mutations(bytesOf(formatStaple([other])), 1_500, 'staple')) {
    const text = Buffer.from(damaged).toString('base64url')
    const heads = readStaple(text)
    if (heads instanceof TokenRefusal) continue
    assert.equal(formatStaple(heads), text)
    read++
  }
  assert.ok(read > 100)
})
