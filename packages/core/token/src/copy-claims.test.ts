import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyClaims } from '../test/fixtures.ts'
import { decodeClaims, encodeClaims } from './claims-cbor.ts'
import { copyClaims } from './copy-claims.ts'

test('is equal, and shares no memory with what it was copied from', () => {
  fc.assert(
    fc.property(anyClaims, (claims) => {
      const decoded = decodeClaims(encodeClaims(claims))
      const copy = copyClaims(decoded)
      assert.deepEqual(copy, claims)
      for (const bytes of [copy.jti, copy.bld, copy.req, copy.cnf?.jkt, copy.cnf?.x5tS256]) {
        if (bytes !== undefined) assert.equal(bytes.buffer.byteLength, bytes.length)
      }
    }),
    { numRuns: 50 },
  )
})
