import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullClaims, hop, plainClaims } from '../test/fixtures.ts'
import { decodeClaims, encodeClaims } from './claims-cbor.ts'
import type { Claims } from './claims.ts'
import { extendChain, hopOf } from './provenance-chain.ts'

test('begins a chain with the caller of the token', () => {
  const first = hopOf(plainClaims, { log: 7, index: 5 })
  assert.deepEqual(first, { sid: plainClaims.sub, attLog: 0, attIndex: 0, log: 7, index: 5 })
  assert.deepEqual(extendChain(plainClaims, first), [first])
})

test('adds to a chain at its end, oldest first, with the attestation that the token named', () => {
  const next = hopOf(fullClaims, { log: 2, index: 2 ** 47 })
  assert.deepEqual([next.attLog, next.attIndex], fullClaims.att)
  const chain = extendChain(fullClaims, next)
  assert.deepEqual(chain, [...(fullClaims.chn ?? []), next])
  assert.equal(fullClaims.chn?.length, 2)
  const exchanged: Claims = { ...plainClaims, sub: 'spiffe://acme.example/b', chn: chain }
  assert.deepEqual(decodeClaims(encodeClaims(exchanged)), exchanged)
})

test('refuses a ninth hop', () => {
  const claims = { ...plainClaims, sub: hop.sid, chn: Array.from({ length: 7 }, () => hop) }
  const eight = extendChain(claims, hop)
  assert.equal(eight.length, 8)
  assert.throws(() => extendChain({ ...claims, chn: eight }, hop), { code: 'QIP_TOKEN_CHAIN_REFUSED' })
})

test('refuses a hop that is not the caller, or is none at all', () => {
  const own = { ...hop, sid: plainClaims.sub }
  for (const wrong of [
    hop,
    { ...own, log: 0 },
    { ...own, attLog: 0 },
    { ...own, index: -1 },
    { ...own, index: 2 ** 48 },
  ]) {
    assert.throws(() => extendChain(plainClaims, wrong), { code: 'QIP_TOKEN_CHAIN_REFUSED' })
  }
})
