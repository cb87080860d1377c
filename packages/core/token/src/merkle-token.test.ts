import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, parseHex } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { leafHash } from '@quantum-ip/log'
import * as cborg from 'cborg'
import * as fc from 'fast-check'
import {
  anyParts,
  counting,
  fullClaims,
  mutations,
  plainClaims,
  someParts,
  someToken,
} from '../test/fixtures.ts'
import { encodeClaims } from './claims-cbor.ts'
import { refusals } from './lib/refusals.ts'
import { formatMerkleToken, type MerkleTokenParts, parseMerkleToken } from './merkle-token.ts'
import { readMerkleToken } from './read-merkle-token.ts'
import { tokenEntry } from './token-entry.ts'
import { TokenRefusal } from './token-refusal.ts'

const body = (text: string) => Buffer.from(text.slice('qip1.'.length), 'base64url')
const token = (bytes: Uint8Array) => `qip1.${Buffer.from(bytes).toString('base64url')}`

test('writes the array of the wire format', () => {
  const claims = hex(encodeClaims(fullClaims))
  const path = hex(Buffer.concat([counting(32, 1), counting(32, 2)]))
  const expected = `8659${(claims.length / 2).toString(16).padStart(4, '0')}${claims}44deadbeef1a000111721a000111701a000111745840${path}`
  assert.equal(hex(body(someToken)), expected)
  assert.match(someToken, /^qip1\.[A-Za-z0-9_-]+$/)
})

test('parses what it wrote, with the path packed', () => {
  const parsed = parseMerkleToken(someToken)
  assert.equal(parsed.form, 'compact')
  assert.deepEqual(parsed.claims, fullClaims)
  assert.deepEqual(parsed.claimsBytes, someParts.claimsBytes)
  assert.deepEqual(
    [parsed.keyId, parsed.index, parsed.start, parsed.end, parsed.path.count, parsed.sigs],
    [0xdeadbeef, 70_002, 70_000, 70_004, 2, []],
  )
  const { bytes, offset, count } = parsed.path
  assert.deepEqual(
    bytes.slice(offset, offset + 32 * count),
    Uint8Array.from([...counting(32, 1), ...counting(32, 2)]),
  )
  assert.equal(formatMerkleToken(parsed), someToken)
})

test('has the digest of its claims and the leaf hash of its entry', () => {
  const parsed = parseMerkleToken(someToken)
  const digest = sha256(someParts.claimsBytes)
  assert.deepEqual(parsed.digest, digest)
  assert.deepEqual(parsed.leafHash, leafHash(tokenEntry({ exp: fullClaims.exp, digest })))
  assert.equal(parsed.digest, parsed.digest)
})

test('agrees with a second engine on every token', () => {
  fc.assert(
    fc.property(anyParts, (parts) => {
      const text = formatMerkleToken(parts)
      const array = cborg.decode(body(text), { useMaps: true, strict: true }) as unknown[]
      assert.equal(hex(cborg.encode(array, cborg.rfc8949EncodeOptions)), hex(body(text)))
      const parsed = parseMerkleToken(text)
      assert.deepEqual(
        [array[0], array[2], array[3], array[4], array.length],
        [parsed.claimsBytes, parsed.index, parsed.start, parsed.end, parts.sigs === undefined ? 6 : 7],
      )
      assert.deepEqual(parsed.sigs, parts.sigs ?? [])
      assert.equal(parsed.form, parts.sigs === undefined ? 'compact' : 'standalone')
      assert.equal(formatMerkleToken(parsed), text)
    }),
    { numRuns: 200 },
  )
})

const sid = (last: string) => `spiffe://acme.example/ns/prod/sa/${last}`.padEnd(40, 'x')

test('stays within 700 characters with a batch of 1,024 and service IDs of 40', () => {
  const claimsBytes = encodeClaims({
    ...plainClaims,
    sub: sid('checkout'),
    aud: [sid('shop')],
    bld: counting(32),
    bev: 1,
    att: [1, 812_345],
  })
  const text = formatMerkleToken({
    claimsBytes,
    keyId: 0xffffffff,
    index: 70_000_000,
    start: 69_999_616,
    end: 70_000_640,
    path: Array.from({ length: 10 }, () => counting(32)),
  })
  assert.ok(text.length <= 700, `${text.length} characters`)
})

const claimsHead = `59${someParts.claimsBytes.length.toString(16).padStart(4, '0')}`
const claimsHex = hex(someParts.claimsBytes)
const pathHex = hex(Buffer.concat([counting(32, 1), counting(32, 2)]))
const tail = `44deadbeef1a000111721a000111701a000111745840${pathHex}`
const sig = (id: string, bytes = 64) => `58${(bytes + 4).toString(16)}${id}${'ab'.repeat(bytes)}`
const big = (id: string) => `590978${id}${'ab'.repeat(2_420)}`
const plain = encodeClaims(plainClaims)
const plainHead = `58${plain.length.toString(16)}${hex(plain)}`

const malformed: readonly (readonly [title: string, why: keyof typeof refusals, hex: string])[] = [
  ['five items', 'count', `85${claimsHead}${claimsHex}${tail}`],
  ['eight items', 'count', `88${claimsHead}${claimsHex}${tail}`],
  ['a map for the array', 'wrongType', `a6${claimsHead}${claimsHex}${tail}`],
  ['an array of indefinite length', 'wrongType', `9f${claimsHead}${claimsHex}${tail}ff`],
  ['a long head of the array', 'notShortest', `9806${claimsHead}${claimsHex}${tail}`],
  ['something behind', 'trailing', `86${claimsHead}${claimsHex}${tail}00`],
  [
    'signatures that the array does not count',
    'trailing',
    `86${claimsHead}${claimsHex}${tail}81${sig('00000001')}`,
  ],
  ['claims as text', 'wrongType', `8678${plainHead.slice(2)}${tail}`],
  ['claims as a map, not in bytes', 'wrongType', `86${hex(plain)}${tail}`],
  ['no claims', 'size', `8640${tail}`],
  ['claims of 3,073 bytes', 'size', `86590c01${'00'.repeat(3_000)}`],
  ['claims longer than the token', 'overrun', `86590c00${'00'.repeat(3_000)}`],
  ['claims followed by a byte', 'trailing', `8658${(plain.length + 1).toString(16)}${hex(plain)}00${tail}`],
  [
    'claims longer than their bytes',
    'overrun',
    `8658${(plain.length - 1).toString(16)}${hex(plain).slice(0, -2)}${tail}`,
  ],
  ['a key ID of three bytes', 'size', `86${plainHead}43adbeef${tail.slice(10)}`],
  ['a key ID as number', 'wrongType', `86${plainHead}1adeadbeef${tail.slice(10)}`],
  [
    'an index of 2^48',
    'range',
    `86${plainHead}44deadbeef1b00010000000000001b00010000000000001b000100000000000140`,
  ],
  ['an index beyond 2^53', 'range', `86${plainHead}44deadbeef1bffffffffffffffff000140`],
  ['a negative index', 'wrongType', `86${plainHead}44deadbeef20000140`],
  ['an index with a long head', 'notShortest', `86${plainHead}44deadbeef1800000140`],
  [
    'an index with a long head of eight bytes',
    'notShortest',
    `86${plainHead}44deadbeef1b00000000ffffffff000140`,
  ],
  ['an empty subtree', 'subtree', `86${plainHead}44deadbeef00000040`],
  ['a subtree of 65,537 leaves', 'subtree', `86${plainHead}44deadbeef00001a0001000140`],
  ['a subtree that begins anywhere', 'subtree', `86${plainHead}44deadbeef03030540`],
  ['an index before the subtree', 'subtree', `86${plainHead}44deadbeef03040640`],
  ['an index behind the subtree', 'subtree', `86${plainHead}44deadbeef06040640`],
  ['a path of half a hash', 'size', `86${plainHead}44deadbeef00000150${'00'.repeat(16)}`],
  [
    'a path of 17 hashes',
    'size',
    `86${plainHead}44deadbeef0000185a590220${'00'.repeat(544)}`.replace('185a', '01'),
  ],
  ['a path of 65 hashes', 'size', `86${plainHead}44deadbeef000001590820${'00'.repeat(2_080)}`],
  ['a path of 2^32 bytes', 'size', `86${plainHead}44deadbeef0000015b0000000100000000${'00'.repeat(64)}`],
  ['a path as array', 'wrongType', `86${plainHead}44deadbeef00000180`],
  ['no signatures where there should be', 'count', `87${claimsHead}${claimsHex}${tail}80`],
  ['five signatures', 'count', `87${claimsHead}${claimsHex}${tail}85${sig('00000001')}`],
  ['a signature of 63 bytes', 'size', `87${claimsHead}${claimsHex}${tail}81${sig('00000001', 63)}`],
  ['a signature of 65 bytes', 'size', `87${claimsHead}${claimsHex}${tail}81${sig('00000001', 65)}`],
  [
    'signatures in the wrong order',
    'cosigners',
    `87${claimsHead}${claimsHex}${tail}82${sig('00000002')}${sig('00000001')}`,
  ],
  [
    'two signatures of one key',
    'cosigners',
    `87${claimsHead}${claimsHex}${tail}82${sig('00000001')}${sig('00000001')}`,
  ],
  [
    'two signatures of ML-DSA-44',
    'overrun',
    `87${plainHead}${tail}82${big('00000001')}590978`.padEnd(2 * 3_060, '0'),
  ],
]

for (const [title, why, text] of malformed) {
  test(`refuses ${title}`, () => {
    const refused = readMerkleToken(token(parseHex(text)))
    assert.equal((refused as TokenRefusal).reason, refusals[why].reason)
    assert.throws(() => parseMerkleToken(token(parseHex(text))), { code: 'QIP_TOKEN_MALFORMED' })
  })
}

const spellings: readonly (readonly [title: string, text: string])[] = [
  ['padding', `${someToken}=`],
  ['a space at the end', `${someToken} `],
  ['a space inside', `${someToken.slice(0, 50)} ${someToken.slice(50)}`],
  ['a line break', `${someToken}\n`],
  ['the alphabet of plain base64', someToken.replace(/[-_]/, (c) => (c === '-' ? '+' : '/'))],
  ['a foreign character', `${someToken.slice(0, 50)}!${someToken.slice(51)}`],
  [
    'a character that wraps to the right byte',
    `${someToken.slice(0, 50)}${String.fromCharCode(someToken.charCodeAt(50) + 256)}${someToken.slice(51)}`,
  ],
  ['two tokens joined', `${someToken}, ${someToken}`],
  ['an upper-case prefix', `QIP1.${someToken.slice(5)}`],
  ['another version', `qip2.${someToken.slice(5)}`],
]

for (const [title, text] of spellings) {
  test(`refuses ${title}`, () => {
    const refused = readMerkleToken(text)
    assert.ok(refused instanceof TokenRefusal && !refused.truncated)
  })
}

test('refuses spare bits that are not zero, whatever the length', () => {
  for (let extra = 0; extra < 3; extra++) {
    const claims = { ...plainClaims, sub: `${plainClaims.sub}${'x'.repeat(extra)}` }
    const text = formatMerkleToken({ ...someParts, claimsBytes: encodeClaims(claims) })
    const spare = body(text).length % 3
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const other = text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1]
    const refused = readMerkleToken(other)
    if (spare === 0) continue
    assert.equal(refused, refusals.alphabet)
  }
})

test('refuses to write what it would not read', () => {
  const wrong: readonly Partial<MerkleTokenParts>[] = [
    { index: 70_004 },
    { start: 70_001 },
    { end: 70_000 },
    { end: Number.NaN },
    { index: 70_000.5 },
    { keyId: -1 },
    { keyId: 2 ** 32 },
    { path: Array.from({ length: 17 }, () => counting(32)) },
    { path: [counting(31), counting(33)] },
    { path: { bytes: counting(64), offset: 0, count: 0.5 } },
    { path: { bytes: counting(40), offset: 10, count: 1 } },
    { claimsBytes: new Uint8Array(3_073) },
    { claimsBytes: new Uint8Array(0) },
    { sigs: [{ keyId: 1, signature: counting(63) }] },
    {
      sigs: [
        { keyId: 1, signature: counting(64) },
        { keyId: 1, signature: counting(64) },
      ],
    },
    { sigs: Array.from({ length: 5 }, (_, keyId) => ({ keyId, signature: counting(64) })) },
  ]
  for (const parts of wrong) assert.throws(() => formatMerkleToken({ ...someParts, ...parts }), TypeError)
})

test('writes signatures in the order of their key IDs', () => {
  const sigs = [
    { keyId: 9, signature: counting(64) },
    { keyId: 5, signature: counting(2_420) },
  ]
  const small = { ...someParts, claimsBytes: plain }
  const parsed = parseMerkleToken(formatMerkleToken({ ...small, sigs }))
  assert.deepEqual(
    parsed.sigs.map(({ keyId }) => keyId),
    [5, 9],
  )
  assert.equal(parsed.form, 'standalone')
  assert.equal(formatMerkleToken({ ...small, sigs: [] }), formatMerkleToken(small))
})

test('names the way out of a token that is too long', () => {
  const signature = counting(2_420)
  assert.throws(
    () =>
      formatMerkleToken({
        ...someParts,
        sigs: [
          { keyId: 1, signature },
          { keyId: 2, signature },
        ],
      }),
    (error: { code: string; next: string }) =>
      error.code === 'QIP_TOKEN_TOO_LONG' && error.next.includes('reference token'),
  )
  assert.throws(() => formatMerkleToken(someParts, someToken.length - 1), {
    code: 'QIP_TOKEN_TOO_LONG',
    details: { chars: someToken.length, charsMax: someToken.length - 1 },
  })
  assert.equal(formatMerkleToken(someParts, someToken.length), someToken)
})

test('never crashes on a damaged token, nor reads it as something that is written differently', () => {
  let read = 0
  for (const damaged of mutations(body(someToken), 3_000, 'merkle')) {
    const text = token(damaged)
    const parsed = readMerkleToken(text)
    if (parsed instanceof TokenRefusal) continue
    assert.equal(formatMerkleToken(parsed), text)
    read++
  }
  assert.ok(read > 100, 'flipped bytes of a hash are still a token')
})
