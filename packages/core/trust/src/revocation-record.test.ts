import { test } from 'node:test'
import assert from 'node:assert/strict'
import { concatBytes, hex } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { nowS, revocation, tokenLog } from '../test/acme.ts'
import { verifyHeads, verifyRevocations } from './catch-up.ts'
import { chainHead, headChainStart } from './head-record.ts'
import { confirmed, head } from '../test/acme.ts'
import {
  buildRevocation,
  chainRevocation,
  encodeRevocation,
  parseRevocation,
  revocationChainStart,
  type RevocationRecord,
} from './revocation-record.ts'

const build = 'ab'.repeat(32)
const kid = 'k'.repeat(43)

const wellFormed: readonly (readonly [title: string, change: Partial<RevocationRecord>])[] = [
  ['a key', { kind: 'key', value: kid }],
  ['a key from an index on', { kind: 'key', value: kid, log: 'acme.example/attestations/1', from: 0 }],
  ['an identity', {}],
  ['tokens of an identity before a time', { before: nowS }],
  ['an identity for a while', { expires: nowS + 60 }],
  ['a build', { kind: 'build', value: build }],
  ['tokens of a build before a time', { kind: 'build', value: build, before: 1 }],
  ['a token by digest', { kind: 'token', value: build }],
  ['a token by place', { kind: 'token', value: '0', log: tokenLog }],
  ['a range', { kind: 'range', value: '281474976710656', log: tokenLog, from: 7 }],
]
for (const [title, change] of wellFormed) {
  test(`the revocation of ${title} reads back as it was built`, () => {
    assert.deepEqual(parseRevocation(buildRevocation(revocation(change))), revocation(change))
  })
}

const malformed: readonly (readonly [title: string, change: Record<string, unknown>])[] = [
  ['an unknown kind', { kind: 'fleet' }],
  ['epoch 0', { epoch: 0 }],
  ['no reason', { reason: '' }],
  ['a long reason', { reason: 'x'.repeat(513) }],
  ['an identity that is none', { value: 'shop' }],
  ['a bare trust domain as identity', { value: 'spiffe://acme.example' }],
  ['an identity with a log', { log: tokenLog }],
  ['an identity with an index', { from: 1 }],
  ['a build in uppercase', { kind: 'build', value: build.toUpperCase() }],
  ['a short build', { kind: 'build', value: build.slice(2) }],
  ['a key of another length', { kind: 'key', value: kid.slice(1) }],
  ['a key with `before`', { kind: 'key', value: kid, before: 1 }],
  ['a key with an index and no log', { kind: 'key', value: kid, from: 1 }],
  ['a key with a log and no index', { kind: 'key', value: kid, log: tokenLog }],
  ['a key that comes back', { kind: 'key', value: kid, expires: nowS }],
  ['a token with `before`', { kind: 'token', value: build, before: 1 }],
  ['a token index that is a hash', { kind: 'token', value: build, log: tokenLog }],
  ['a token digest that is an index', { kind: 'token', value: '7' }],
  ['an index with a leading zero', { kind: 'token', value: '07', log: tokenLog }],
  ['an index beyond 2^48', { kind: 'token', value: '281474976710657', log: tokenLog }],
  ['a range without log', { kind: 'range', value: '9', from: 1 }],
  ['a range without beginning', { kind: 'range', value: '9', log: tokenLog }],
  ['an empty range', { kind: 'range', value: '9', log: tokenLog, from: 9 }],
  ['a time with a fraction', { time: 0.5 }],
]
for (const [title, change] of malformed) {
  test(`refuses a revocation with ${title}`, () => {
    const json = { ...revocation(), ...change } as unknown as Parameters<typeof parseRevocation>[0]
    assert.throws(() => parseRevocation(json), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
    assert.throws(() => buildRevocation(json as unknown as RevocationRecord), {
      code: 'QIP_TRUST_DOCUMENT_MALFORMED',
    })
  })
}

test('a record is encoded as documented, with and without its optional members', () => {
  const short = encodeRevocation({ epoch: 1, time: 2, kind: 'build', value: 'ab', reason: 'r' })
  assert.equal(
    hex(short),
    ['0101', '0000000000000001', '0000000000000002', '03', '000000026162', '00', '0000000172'].join(''),
  )
  const long = encodeRevocation({
    epoch: 2 ** 33,
    time: 2,
    kind: 'range',
    value: '9',
    log: 'l',
    from: 3,
    before: 4,
    expires: 5,
    reason: 'r',
  })
  assert.equal(
    hex(long),
    [
      '0101',
      '0000000200000000',
      '0000000000000002',
      '05',
      '0000000139',
      '0f',
      '000000016c',
      '0000000000000003',
      '0000000000000004',
      '0000000000000005',
      '0000000172',
    ].join(''),
  )
})

test('every member changes the chain, and which numbers are present too', () => {
  const changes: readonly Partial<RevocationRecord>[] = [
    {},
    { epoch: 2 },
    { time: 1 },
    { kind: 'build' },
    { value: 'x' },
    { log: 'x' },
    { from: 1 },
    { before: 1 },
    { expires: 1 },
    { reason: 'x' },
  ]
  const chains = changes.map((change) => hex(chainRevocation(revocationChainStart, revocation(change))))
  assert.equal(new Set(chains).size, changes.length)
})

test('r_n is the hash of r_n-1 and the record', () => {
  const record = revocation()
  const first = chainRevocation(revocationChainStart, record)
  assert.deepEqual(first, sha256(concatBytes(new Uint8Array(32), encodeRevocation(record))))
})

const list = [1, 2, 3, 4].map((epoch) => revocation({ epoch, reason: `reason ${epoch}` }))
const at = (epoch: number) => confirmed(list.slice(0, epoch))

test('catches up from one state to another, whatever else the answer holds', () => {
  const cases = [
    [0, 4],
    [1, 3],
    [2, 2],
  ] as const
  for (const [from, to] of cases) {
    const found = verifyRevocations({ from: at(from), to: at(to), records: list })
    assert.deepEqual(found, list.slice(from, to))
  }
})

const [one, two, three, four] = list as [
  RevocationRecord,
  RevocationRecord,
  RevocationRecord,
  RevocationRecord,
]
const catchUps: readonly (readonly [title: string, records: RevocationRecord[], code: string])[] = [
  ['a gap', [one, three, four], 'QIP_TRUST_REVOCATIONS_MISSING'],
  ['an end that is missing', [one, two, three], 'QIP_TRUST_REVOCATIONS_MISSING'],
  ['no records', [], 'QIP_TRUST_REVOCATIONS_MISSING'],
  ['a record twice', [one, two, two, three, four], 'QIP_TRUST_REVOCATIONS_MISSING'],
  ['records out of order', [two, one, three, four], 'QIP_TRUST_REVOCATIONS_MISSING'],
  ['an altered record', [one, { ...two, before: 1 }, three, four], 'QIP_TRUST_CHAIN_MISMATCH'],
]
for (const [title, records, code] of catchUps) {
  test(`refuses to catch up with ${title}`, () => {
    assert.throws(() => verifyRevocations({ from: at(0), to: at(4), records }), { code })
  })
}

test('refuses to catch up to what was before, and to another past', () => {
  assert.throws(() => verifyRevocations({ from: at(3), to: at(2), records: list }), {
    code: 'QIP_TRUST_WENT_BACKWARDS',
  })
  const other = { epoch: 2, revocations: new Uint8Array(32) }
  assert.throws(() => verifyRevocations({ from: at(2), to: other, records: [] }), {
    code: 'QIP_TRUST_CHAIN_MISMATCH',
  })
})

test('heads add up in their order only', () => {
  const heads = [head(0, 4), head(4, 8)]
  const to = heads.reduce(chainHead, headChainStart)
  assert.deepEqual(verifyHeads({ from: headChainStart, to, heads }), heads)
  for (const wrong of [[], heads.slice(1), [...heads].reverse(), [...heads, head(8, 9)]]) {
    assert.throws(() => verifyHeads({ from: headChainStart, to, heads: wrong }), {
      code: 'QIP_TRUST_CHAIN_MISMATCH',
    })
  }
})
