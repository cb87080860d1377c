import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseHex } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { revocation } from '../test/acme.ts'
import { RevocationIndex } from './revocation-index.ts'
import type { RevocationRecord } from './revocation-record.ts'

function indexOf(records: readonly Partial<RevocationRecord>[], timeS = 0): RevocationIndex {
  const index = new RevocationIndex()
  index.apply(
    records.map((change, n) => revocation({ epoch: n + 1, ...change })),
    timeS,
  )
  return index
}

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const build = 'ab'.repeat(32)
const buildBytes = parseHex(build)
const log = 'acme.example/tokens/1'
const kid = 'k'.repeat(43)

test('nothing is revoked at first', () => {
  const index = indexOf([])
  assert.equal(index.size, 0)
  assert.equal(index.isKeyRevoked(kid), false)
  assert.equal(index.isKeyRevokedAt(kid, log, 0), false)
  assert.equal(index.keyRevokedFrom(kid, log), Number.POSITIVE_INFINITY)
  assert.equal(index.isIdentityRevoked(shop, 0), false)
  assert.equal(index.isBuildRevoked(buildBytes, 0), false)
  assert.equal(index.isTokenRevoked(buildBytes), false)
  assert.equal(index.isEntryRevoked(log, 0), false)
})

test('a key is revoked altogether, or from an index of one log on', () => {
  const whole = indexOf([{ kind: 'key', value: kid }])
  assert.deepEqual([whole.isKeyRevoked(kid), whole.isKeyRevokedAt(kid, log, 0)], [true, true])
  const partly = indexOf([{ kind: 'key', value: kid, log, from: 7 }])
  assert.equal(partly.isKeyRevoked(kid), false)
  assert.deepEqual(
    [6, 7, 8].map((at) => partly.isKeyRevokedAt(kid, log, at)),
    [false, true, true],
  )
  assert.equal(partly.isKeyRevokedAt(kid, 'acme.example/tokens/2', 9), false)
  const both = indexOf([
    { kind: 'key', value: kid, log, from: 7 },
    { kind: 'key', value: kid, log, from: 3 },
    { kind: 'key', value: kid, log: 'acme.example/tokens/2', from: 1 },
  ])
  assert.deepEqual([both.keyRevokedFrom(kid, log), both.keyRevokedFrom(kid, 'acme.example/tokens/2')], [3, 1])
})

test('an identity is revoked for tokens issued strictly before a time, or for ever', () => {
  const before = indexOf([{ value: shop, before: 100 }])
  assert.deepEqual(
    [99, 100, 101].map((iat) => before.isIdentityRevoked(shop, iat)),
    [true, false, false],
  )
  assert.equal(before.isIdentityRevoked(`${shop}2`, 1), false)
  const later = indexOf([
    { value: shop, before: 100 },
    { value: shop, before: 50 },
  ])
  assert.equal(later.isIdentityRevoked(shop, 99), true)
  assert.equal(
    indexOf([{ value: shop, before: 100 }, { value: shop }]).isIdentityRevoked(shop, 2 ** 40),
    true,
  )
})

test('a record is in force until it expires, and others about the same stay', () => {
  const index = indexOf([
    { value: shop, expires: 100 },
    { value: shop, before: 50, expires: 200 },
    { kind: 'build', value: build, expires: 100 },
    { kind: 'build', value: build, before: 9 },
    { kind: 'token', value: build, expires: 100 },
    { kind: 'token', value: '4', log, expires: 100 },
    { kind: 'range', value: '9', from: 2, log, expires: 100 },
    { kind: 'range', value: '6', from: 5, log },
  ])
  assert.equal(index.size, 8)
  index.apply([], 99)
  assert.equal(index.size, 8)
  assert.equal(index.isIdentityRevoked(shop, 50), true)
  assert.equal(index.isTokenRevoked(buildBytes), true)
  index.apply([], 100)
  assert.equal(index.size, 3)
  assert.deepEqual([index.isIdentityRevoked(shop, 49), index.isIdentityRevoked(shop, 50)], [true, false])
  assert.deepEqual([index.isBuildRevoked(buildBytes, 8), index.isBuildRevoked(buildBytes, 9)], [true, false])
  assert.equal(index.isTokenRevoked(buildBytes), false)
  assert.deepEqual(
    [3, 4, 5, 6].map((at) => index.isEntryRevoked(log, at)),
    [false, false, true, false],
  )
  index.apply([], 200)
  assert.equal(index.isIdentityRevoked(shop, 49), false)
})

test('a record that has expired already never is in force', () => {
  assert.equal(indexOf([{ value: shop, expires: 100 }], 100).size, 0)
})

test('builds whose hashes share their first bytes are told apart', () => {
  const others = [0, 1, 2, 3].map((n) => `abababab${`0${n}`.repeat(28)}`)
  const index = indexOf(others.map((value) => ({ kind: 'build', value, expires: 10 })))
  for (const other of others) assert.equal(index.isBuildRevoked(parseHex(other), 0), true)
  assert.equal(index.isBuildRevoked(buildBytes, 0), false)
  index.apply([revocation({ kind: 'build', value: build })], 10)
  for (const other of others) assert.equal(index.isBuildRevoked(parseHex(other), 0), false)
  assert.equal(index.isBuildRevoked(buildBytes, 0), true)
})

// The same rules, said as plainly as possible: any record that applies, revokes.
function naive(records: readonly RevocationRecord[], timeS: number) {
  const inForce = records.filter(({ expires }) => expires === undefined || expires > timeS)
  const some = (applies: (record: RevocationRecord) => boolean) => inForce.some((record) => applies(record))
  return {
    size: inForce.length,
    isKeyRevokedAt: (at: number) =>
      some((r) => r.kind === 'key' && (r.log === undefined || (r.log === log && at >= (r.from ?? 0)))),
    isIdentityRevoked: (iat: number) =>
      some((r) => r.kind === 'identity' && r.value === shop && (r.before === undefined || iat < r.before)),
    isBuildRevoked: (iat: number) =>
      some((r) => r.kind === 'build' && r.value === build && (r.before === undefined || iat < r.before)),
    isTokenRevoked: () => some((r) => r.kind === 'token' && r.value === build),
    isEntryRevoked: (at: number) =>
      some(
        (r) =>
          r.log === log &&
          ((r.kind === 'token' && Number(r.value) === at) ||
            (r.kind === 'range' && at >= (r.from ?? 0) && at < Number(r.value))),
      ),
  }
}

const small = fc.nat(12)
const optional = fc.option(small, { nil: undefined })
const logName = fc.constantFrom(log, 'acme.example/tokens/2')
const anyRecord = fc.oneof(
  fc.record({ kind: fc.constant('key' as const), value: fc.constant(kid), log: logName, from: small }),
  fc.record({
    kind: fc.constant('identity' as const),
    value: fc.constantFrom(shop, `${shop}2`),
    before: optional,
    expires: optional,
  }),
  fc.record({
    kind: fc.constant('build' as const),
    value: fc.constantFrom(build, 'cd'.repeat(32)),
    before: optional,
    expires: optional,
  }),
  fc.record({ kind: fc.constant('token' as const), value: fc.constant(build), expires: optional }),
  fc.record({
    kind: fc.constant('token' as const),
    value: small.map(String),
    log: logName,
    expires: optional,
  }),
  fc
    .record({ from: small, length: fc.integer({ min: 1, max: 6 }), log: logName, expires: optional })
    .map(({ from, length, log, expires }) => {
      return { kind: 'range' as const, from, value: String(from + length), log, expires }
    }),
)

test('answers as the records read, whatever is revoked and however often time passes', () => {
  const step = fc.record({ records: fc.array(anyRecord, { maxLength: 8 }), passes: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 5 }), (steps) => {
      const index = new RevocationIndex()
      const all: RevocationRecord[] = []
      let timeS = 0
      for (const { records, passes } of steps) {
        timeS += passes
        const fresh = records.map((change) => withoutAbsent({ ...revocation(), ...change }))
        index.apply(fresh, timeS)
        all.push(...fresh)
        const expected = naive(all, timeS)
        assert.equal(index.size, expected.size)
        assert.equal(index.isTokenRevoked(buildBytes), expected.isTokenRevoked())
        for (let at = 0; at < 20; at++) {
          assert.equal(index.isKeyRevokedAt(kid, log, at), expected.isKeyRevokedAt(at))
          assert.equal(index.isIdentityRevoked(shop, at), expected.isIdentityRevoked(at))
          assert.equal(index.isBuildRevoked(buildBytes, at), expected.isBuildRevoked(at))
          assert.equal(index.isEntryRevoked(log, at), expected.isEntryRevoked(at))
        }
      }
    }),
    { numRuns: 300 },
  )
})

function withoutAbsent(record: object): RevocationRecord {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as never
}
